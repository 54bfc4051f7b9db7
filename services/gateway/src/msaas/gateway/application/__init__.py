"""What can be asked of the gateway, one module for each use."""
