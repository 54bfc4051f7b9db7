"""A site that does its visitors harm, for tests and the soak alone: no part of any fleet."""

from hostile_site.server import HostileSite

__all__ = ["HostileSite"]
