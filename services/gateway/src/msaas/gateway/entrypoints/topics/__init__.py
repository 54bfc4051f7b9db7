"""The topics that the gateway consumes."""
