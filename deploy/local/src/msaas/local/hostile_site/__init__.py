"""A site that does its visitors harm, for tests and the soak alone: no part of any fleet."""

from msaas.local.hostile_site.server import HostileSite

__all__ = ["HostileSite"]
