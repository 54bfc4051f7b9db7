"""Topics and periodic tasks: parse, call a use case, map the outcome."""
