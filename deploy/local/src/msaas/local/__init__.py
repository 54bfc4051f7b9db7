"""The embedded launcher: the whole fleet on one machine with no account and no network."""

from msaas.local.errors import AlreadyRunning
from msaas.local.home import Home, find_home
from msaas.local.part import Part

__all__ = ["AlreadyRunning", "Home", "Part", "find_home"]
