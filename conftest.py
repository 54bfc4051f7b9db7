"""Gives every test of the repository the fixtures and checks of msaas.testing."""

pytest_plugins = ["msaas.testing.plugin"]
