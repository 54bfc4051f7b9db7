"""The use cases, one module for each, and the ports that they need."""
