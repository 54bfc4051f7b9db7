"""A small website to browse, so that the first job works offline: the Lantern Almanac."""

from msaas.local.demo_site.server import DemoSite

__all__ = ["DemoSite"]
