"""Serves the hostile pages, a thread for each connection."""

import re
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, urlsplit

from msaas.local.hostile_site import pages
from msaas.local.hostile_site.bodies import BODIES, Answer, whole
from msaas.local.sites import Site


class _Handler(BaseHTTPRequestHandler):
    timeout = 30.0

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        given = answer(parts.path, dict(parse_qsl(parts.query)))
        try:
            self._send(given)
        except (OSError, ValueError):
            self.close_connection = True  # the visitor has hung up

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        """Say nothing."""

    def _send(self, given: Answer) -> None:
        self.send_response(given.status)
        for name, value in ({"content-type": given.kind} | dict(given.headers)).items():
            self.send_header(name, value)
        self.end_headers()
        for piece in given.body:
            self.wfile.write(piece)


class HostileSite(Site):
    handler = _Handler


def answer(path: str, query: dict[str, str]) -> Answer:
    match path.split("/")[1:]:
        case [_] if path in pages.PAGES:
            given = whole(pages.PAGES[path])
        case [_] if path in BODIES:
            given = BODIES[path]()
        case ["sw.js"]:
            given = whole(pages.SERVICE_WORKER, "text/javascript")
        case ["reach"]:
            given = whole(pages.reach(query.get("host", ""), query.get("port", "")))
        case ["away"]:
            given = whole("", status=302, location=query.get("to", "/"))
        case ["status", status] if re.fullmatch(r"[45]\d\d", status):
            given = whole(f"<p>status {status}</p>", status=int(status))
        case ["redirects", left] if re.fullmatch(r"\d{1,3}", left):
            given = _redirect(int(left) - 1)
        case _:
            given = whole("<p>nothing here</p>", status=404)
    return given


def _redirect(left: int) -> Answer:
    """Lead on so many times; from 999 there is no end, as far as a visitor goes."""
    return whole("", status=302, location=f"/redirects/{left}" if left > 0 else "/")
