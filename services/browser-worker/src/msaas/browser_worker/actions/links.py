"""Opens a page and returns its links."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import urldefrag, urlsplit

from msaas.browser_worker.actions.base import BrowserAction, Visit
from msaas.browser_worker.actions.page_session import PageSession
from msaas.browser_worker.actions.page_values import (
    MAX_TITLE,
    get_flag,
    get_items,
    get_text,
    get_tuple,
)
from msaas.contracts import ExtractLinksParams, ExtractLinksResult, Link, normalise_text

MAX_LINKS: Final = 20_000
MAX_URL_LENGTH: Final = 2_048
_MAX_LINK_TEXT: Final = 300
_MAX_RAW_TEXT: Final = 4_000
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
            raw = await session.evaluate(script, MAX_LINKS, params.selector)
            title, raw_links = get_tuple(raw, 2)
        links = [
            link
            for link in build_links(get_items(raw_links, MAX_LINKS), session.page.url)
            if params.only is None or link.in_origin is (params.only == "in_origin")
        ]
        return ExtractLinksResult(
            **session.build_metadata(get_text(title, MAX_TITLE)),
            links=tuple(links[: params.limit]),
            total=len(links),
            truncated=len(links) > params.limit,
        )


def build_links(raw: Iterable[object], page_url: str) -> list[Link]:
    """Count each address once, without its fragment, with the first text that is not empty."""
    links: dict[str, Link] = {}
    page_origin = parse_origin(page_url)
    for raw_link in raw:
        href, link_text, nofollow = get_tuple(raw_link, 3)
        url = _remove_fragment(get_text(href, _MAX_RAW_TEXT))
        origin = parse_origin(url)
        if origin is None or len(url) > MAX_URL_LENGTH:
            continue
        text = " ".join(normalise_text(get_text(link_text, _MAX_RAW_TEXT)).split())[:_MAX_LINK_TEXT]
        first = links.get(url)
        if first is None or (text and not first.text):
            links[url] = Link(
                url=url, text=text, in_origin=origin == page_origin, nofollow=get_flag(nofollow)
            )
    return list(links.values())


def _remove_fragment(href: str) -> str:
    try:
        return normalise_text(urldefrag(href).url)
    except ValueError:  # as of http://[
        return ""


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
