"""Which pages of a site are still to be read, nearest first, and which are left alone."""

import re
from collections import deque
from collections.abc import Iterable
from html import unescape
from typing import Final, NamedTuple
from urllib.parse import urldefrag, urlsplit

from msaas.browser_worker.actions.links import MAX_URL_LENGTH, parse_origin
from msaas.browser_worker.actions.robots import RobotsRules
from msaas.contracts import CrawlSiteParams, normalise_text

MAX_KNOWN_URLS: Final = 5_000
MAX_CRAWL_DELAY: Final = 5.0
_SITEMAP_LOCATION: Final = re.compile(r"<loc>\s*([^<\s]{1,2048})\s*</loc>", re.IGNORECASE)
# Links with these extensions are not pages.
_NON_PAGE_EXTENSION: Final = re.compile(
    r"\.(?:avi|bmp|css|csv|docx?|exe|gif|gz|ico|iso|jpe?g|js|json|mp3|mp4|pdf|png|pptx?|rar|rss|svg"
    r"|tar|tgz|webp|woff2?|xlsx?|xml|zip)$",
    re.IGNORECASE,
)


class CrawlTarget(NamedTuple):
    url: str
    depth: int


class CrawlFrontier:
    """Takes in addresses of one origin, each once, and gives them out by depth."""

    def __init__(self, params: CrawlSiteParams, robots: str = "") -> None:
        self._params = params
        self._origin = parse_origin(params.url)
        self._robots = RobotsRules(robots)
        self._queue: deque[CrawlTarget] = deque()
        self._known_urls: set[str] = set()
        self.disallowed_count = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def delay(self) -> float:
        """Return the seconds between two pages that the site requests, within a maximum."""
        return min(self._robots.delay, MAX_CRAWL_DELAY)

    @property
    def sitemaps(self) -> list[str]:
        """List the site's sitemaps of its own origin."""
        return [url for url in self._robots.sitemaps if parse_origin(url) == self._origin]

    def add_start_url(self) -> bool:
        """Start with the requested page, unless the site disallows it."""
        return self._add(self._params.url, 0)

    def add(self, urls: Iterable[str], depth: int) -> None:
        if depth > self._params.max_depth:
            return
        for url in urls:
            if len(self._known_urls) >= MAX_KNOWN_URLS:
                return
            if self._is_in_scope(url):
                self._add(url, depth)

    def pop(self) -> CrawlTarget | None:
        return self._queue.popleft() if self._queue else None

    def push_front(self, target: CrawlTarget) -> None:
        self._queue.appendleft(target)

    def record_redirect(self, url: str) -> bool:
        """Return whether a redirect led to a page that was not read yet."""
        normalised = _normalise_url(url)
        is_new = normalised not in self._known_urls and parse_origin(normalised) == self._origin
        self._known_urls.add(normalised)
        return is_new

    def _add(self, url: str, depth: int) -> bool:
        normalised = _normalise_url(url)
        if normalised in self._known_urls:
            return False
        self._known_urls.add(normalised)
        if not self._robots.allows(normalised):
            self.disallowed_count += 1
            return False
        self._queue.append(CrawlTarget(normalised, depth))
        return True

    def _is_in_scope(self, url: str) -> bool:
        if parse_origin(url) != self._origin or len(url) > MAX_URL_LENGTH:
            return False
        path = urlsplit(url).path or "/"
        if _NON_PAGE_EXTENSION.search(path) or path.startswith(self._params.exclude):
            return False
        return not self._params.include or path.startswith(self._params.include)


def _normalise_url(url: str) -> str:
    """Return the canonical form of an address."""
    bare = urldefrag(normalise_text(url)).url
    return f"{bare}/" if bare.count("/") == 2 else bare  # noqa: PLR2004  # the two slashes of http://


def read_sitemap(text: str) -> list[str]:
    """Find the addresses by pattern: a hostile XML could exhaust a parser."""
    return [unescape(url) for url in _SITEMAP_LOCATION.findall(text)][:MAX_KNOWN_URLS]
