"""Which pages of a site are still to be read, nearest first, and which are left alone."""

import re
from collections import deque
from collections.abc import Iterable
from html import unescape
from typing import Final, NamedTuple
from urllib.parse import urldefrag, urlsplit

from protego import Protego

from msaas.browser_worker.actions.links import LONGEST_URL, origin_of
from msaas.contracts import CrawlSiteParams, normalise_text

AGENT: Final = "msaas"
MOST_KNOWN: Final = 5_000
MOST_DELAY: Final = 5.0
_LOCATION: Final = re.compile(r"<loc>\s*([^<\s]{1,2048})\s*</loc>", re.IGNORECASE)
# What a page leads to that is no page.
_NO_PAGE: Final = re.compile(
    r"\.(?:avi|bmp|css|csv|docx?|exe|gif|gz|ico|iso|jpe?g|js|json|mp3|mp4|pdf|png|pptx?|rar|rss|svg"
    r"|tar|tgz|webp|woff2?|xlsx?|xml|zip)$",
    re.IGNORECASE,
)


class Known(NamedTuple):
    url: str
    depth: int


class Frontier:
    """Takes in addresses of one origin, each once, and gives them out by depth."""

    def __init__(self, params: CrawlSiteParams, robots: str = "") -> None:
        self._params = params
        self._origin = origin_of(params.url)
        self._robots = Protego.parse(robots)
        self._waiting: deque[Known] = deque()
        self._known: set[str] = set()
        self.disallowed = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def delay(self) -> float:
        """How many seconds the site wants between two pages; nobody waits for ever."""
        return min(float(self._robots.crawl_delay(AGENT) or 0.0), MOST_DELAY)

    @property
    def sitemaps(self) -> list[str]:
        """Name the site's maps: of its own origin, for nobody else speaks for it."""
        return [url for url in self._robots.sitemaps if origin_of(url) == self._origin]

    def begin(self) -> bool:
        """Start with the page that was asked for, unless the site forbids even that."""
        return self._add(self._params.url, 0)

    def add(self, urls: Iterable[str], depth: int) -> None:
        if depth > self._params.max_depth:
            return
        for url in urls:
            if len(self._known) >= MOST_KNOWN:
                return
            if self._is_wanted(url):
                self._add(url, depth)

    def take(self) -> Known | None:
        return self._waiting.popleft() if self._waiting else None

    def put_back(self, known: Known) -> None:
        self._waiting.appendleft(known)

    def note_arrival(self, url: str) -> bool:
        """Say whether a page that led on has led to one that nobody has read yet."""
        place = _plain(url)
        is_new = place not in self._known and origin_of(place) == self._origin
        self._known.add(place)
        return is_new

    def _add(self, url: str, depth: int) -> bool:
        place = _plain(url)
        if place in self._known:
            return False
        self._known.add(place)
        if not self._robots.can_fetch(place, AGENT):
            self.disallowed += 1
            return False
        self._waiting.append(Known(place, depth))
        return True

    def _is_wanted(self, url: str) -> bool:
        if origin_of(url) != self._origin or len(url) > LONGEST_URL:
            return False
        path = urlsplit(url).path or "/"
        if _NO_PAGE.search(path) or path.startswith(self._params.exclude):
            return False
        return not self._params.include or path.startswith(self._params.include)


def _plain(url: str) -> str:
    """Write an address the one way in which it counts as known."""
    bare = urldefrag(normalise_text(url)).url
    return f"{bare}/" if bare.count("/") == 2 else bare  # noqa: PLR2004  # those of http://


def read_sitemap(text: str) -> list[str]:
    """Find the addresses without a parser that a stranger's XML could exhaust."""
    return [unescape(url) for url in _LOCATION.findall(text)][:MOST_KNOWN]
