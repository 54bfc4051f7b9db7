"""Serves the pages over HTTP/1.1, a thread for each connection."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import parse_qsl, urlsplit

from msaas.local.demo_site import pages
from msaas.local.sites import LocalSite

_ASSETS: Final = Path(__file__).with_name("assets")
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HTML: Final = "text/html; charset=utf-8"
_MAX_DELAY_MS: Final = 60_000
_MAX_FORM_BYTES: Final = 16 * 1024
_PAGES: Final[dict[str, Callable[[], str]]] = {
    "/": pages.home,
    "/article": pages.article,
    "/late": pages.late_content,
    "/form": pages.form,
}


@dataclass(frozen=True, slots=True)
class PageResponse:
    body: bytes
    content_type: str = _HTML
    status: HTTPStatus = HTTPStatus.OK
    headers: dict[str, str] = field(default_factory=dict[str, str])


class _DemoSiteHandler(BaseHTTPRequestHandler):
    protocol_version: ClassVar[str] = "HTTP/1.1"  # pyright: ignore[reportIncompatibleVariableOverride]
    # Head and body leave together, and at once.
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = 30.0

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._send(respond(parts.path, dict(parse_qsl(parts.query))))

    def do_POST(self) -> None:
        length = min(int(self.headers.get("content-length") or 0), _MAX_FORM_BYTES)
        fields = dict(parse_qsl(self.rfile.read(length).decode(errors="replace")))
        if urlsplit(self.path).path == "/form":
            self._send(_html(pages.form_received(fields)))
        else:
            self._send(_html(pages.not_found(), HTTPStatus.NOT_FOUND))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        """Log nothing: the terminal belongs to the launcher."""

    def _send(self, given: PageResponse) -> None:
        self.send_response(given.status)
        headers = {"content-type": given.content_type, "content-length": str(len(given.body))}
        for name, value in (headers | given.headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(given.body)


class DemoSite(LocalSite):
    handler = _DemoSiteHandler


def respond(path: str, query: dict[str, str]) -> PageResponse:
    if path in _PAGES:
        return _html(_PAGES[path]())
    if path == "/list":
        return _html(pages.list_page(_number(query.get("page"), 1, pages.LAST_PAGE)))
    if path == "/slow":
        ms = _number(query.get("ms"), 1_000, _MAX_DELAY_MS)
        time.sleep(ms / 1000)
        return _html(pages.slow(ms))
    if path == "/redirect":
        return PageResponse(b"", status=HTTPStatus.FOUND, headers={"location": "/article"})
    return _asset(path) or _html(pages.not_found(), HTTPStatus.NOT_FOUND)


def _asset(path: str) -> PageResponse | None:
    name = path.removeprefix("/assets/")
    file = _ASSETS / name
    if path == name or not re.fullmatch(r"[a-z]+\.(?:css|js|svg)", name) or not file.is_file():
        return None
    return PageResponse(
        file.read_bytes(), _TYPES[file.suffix], headers={"cache-control": "max-age=3600"}
    )


def _html(text: str, status: HTTPStatus = HTTPStatus.OK) -> PageResponse:
    return PageResponse(text.encode(), status=status)


def _number(text: str | None, default: int, most: int) -> int:
    """Read a number between 1 and the most there is; anything else is the default."""
    is_number = text is not None and re.fullmatch(r"[1-9]\d{0,8}", text)
    return min(int(text), most) if text and is_number else default
