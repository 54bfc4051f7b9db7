"""Language models: providers, their order, and what they cost."""
