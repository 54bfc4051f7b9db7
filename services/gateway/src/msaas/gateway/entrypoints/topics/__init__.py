"""The topics that the gateway follows."""
