"""Opens a page and returns where it leads to."""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import urldefrag, urlsplit

from msaas.browser_worker.actions.base import BrowserAction, Visit
from msaas.browser_worker.actions.opening import Opening
from msaas.contracts import ExtractLinksParams, ExtractLinksResult, Link, normalise_text

MOST_LINKS: Final = 20_000
LONGEST_URL: Final = 2_048
_LONGEST_TEXT: Final = 300
READ_LINKS: Final = """(element, most) => {
  const links = [...element.querySelectorAll("a[href],area[href]")].slice(0, most);
  return [
    String(document.title).slice(0, 1000),
    links.map(one => [
      String(one.href).slice(0, 4000),
      String(one.innerText ?? one.textContent ?? "").slice(0, 1000),
      /\\bnofollow\\b/i.test(String(one.getAttribute("rel") ?? "")),
    ]),
  ];
}"""
READ_PAGE_LINKS: Final = f"most => ({READ_LINKS})(document, most)"


class ExtractLinksAction(BrowserAction):
    async def visit(self, visit: Visit) -> ExtractLinksResult:
        params = visit.get_params(ExtractLinksParams)
        opening = Opening(visit, params)
        await opening.open()
        async with visit.step("extract"):
            script = READ_LINKS if params.selector else READ_PAGE_LINKS
            title, raw = await opening.read(script, MOST_LINKS, params.selector)
        found = [
            link
            for link in build_links(raw, opening.page.url)
            if params.only is None or link.in_origin is (params.only == "in_origin")
        ]
        return ExtractLinksResult(
            **opening.tell(str(title)),
            links=tuple(found[: params.limit]),
            total=len(found),
            truncated=len(found) > params.limit,
        )


def build_links(raw: Iterable[Sequence[Any]], page_url: str) -> list[Link]:
    """Count each address once, whatever its fragment; the first that has words gives the words."""
    links: dict[str, Link] = {}
    own = origin_of(page_url)
    for href, words, nofollow in raw:
        url = normalise_text(urldefrag(str(href)).url)
        origin = origin_of(url)
        if origin is None or len(url) > LONGEST_URL:
            continue
        text = " ".join(normalise_text(str(words)).split())[:_LONGEST_TEXT]
        first = links.get(url)
        if first is None or (text and not first.text):
            links[url] = Link(url=url, text=text, in_origin=origin == own, nofollow=bool(nofollow))
    return list(links.values())


def origin_of(url: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port of a page's address; None for what is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    usual = 443 if parts.scheme == "https" else 80
    return parts.scheme, parts.hostname, usual if port is None else port
