"""A site with hostile pages, for tests and the soak only."""

from hostile_site.server import HostileSite

__all__ = ["HostileSite"]
