"""Opens a page and returns its links."""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import urldefrag, urlsplit

from msaas.browser_worker.actions.base import BrowserAction, Visit
from msaas.browser_worker.actions.page_session import PageSession
from msaas.contracts import ExtractLinksParams, ExtractLinksResult, Link, normalise_text

MAX_LINKS: Final = 20_000
MAX_URL_LENGTH: Final = 2_048
_MAX_LINK_TEXT: Final = 300
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
    task_type = "extract_links"

    async def visit(self, visit: Visit) -> ExtractLinksResult:
        params = visit.get_params(ExtractLinksParams)
        session = PageSession(visit, params)
        await session.open()
        async with visit.step("extract"):
            script = READ_LINKS if params.selector else READ_PAGE_LINKS
            title, raw = await session.evaluate(script, MAX_LINKS, params.selector)
        links = [
            link
            for link in build_links(raw, session.page.url)
            if params.only is None or link.in_origin is (params.only == "in_origin")
        ]
        return ExtractLinksResult(
            **session.build_metadata(str(title)),
            links=tuple(links[: params.limit]),
            total=len(links),
            truncated=len(links) > params.limit,
        )


def build_links(raw: Iterable[Sequence[Any]], page_url: str) -> list[Link]:
    """Count each address once, without its fragment, with the first text that is not empty."""
    links: dict[str, Link] = {}
    page_origin = parse_origin(page_url)
    for href, link_text, nofollow in raw:
        url = normalise_text(urldefrag(str(href)).url)
        origin = parse_origin(url)
        if origin is None or len(url) > MAX_URL_LENGTH:
            continue
        text = " ".join(normalise_text(str(link_text)).split())[:_MAX_LINK_TEXT]
        first = links.get(url)
        if first is None or (text and not first.text):
            links[url] = Link(
                url=url, text=text, in_origin=origin == page_origin, nofollow=bool(nofollow)
            )
    return list(links.values())


def parse_origin(url: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port of a page's address; None for what is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    default_port = 443 if parts.scheme == "https" else 80
    return parts.scheme, parts.hostname, default_port if port is None else port
