"""Gives every test of the repository the fixtures and checks of msaas.testing."""

import os

pytest_plugins = ["msaas.testing.plugin"]

# A fleet of a test needs no dashboard, which has tests of its own.
os.environ.setdefault("MSAAS_DASHBOARD", "off")
