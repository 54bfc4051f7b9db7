"""The entry points of requests."""
