"""Serves the hostile pages, a thread for each connection."""

import re
from http.server import BaseHTTPRequestHandler
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

from hostile_site import pages
from hostile_site.bodies import BODIES, HostileResponse, complete_response
from hostile_site.generated import build_page, build_robots

from msaas.local.sites import LocalSite


class _HostileHandler(BaseHTTPRequestHandler):
    timeout = 30.0
    robots: ClassVar[bytes | None] = None

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/robots.txt" and self.robots is not None:
            response = complete_response(self.robots, "text/plain")
        elif seed := re.fullmatch(r"/generated/(\d{1,12})", parts.path):
            response = complete_response(build_page(int(seed.group(1))))
        else:
            response = build_response(parts.path, dict(parse_qsl(parts.query)))
        try:
            self._send(response)
        except (OSError, ValueError):
            self.close_connection = True  # the client has disconnected

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        """Log nothing."""

    def _send(self, response: HostileResponse) -> None:
        self.send_response(response.status)
        for name, value in (
            {"content-type": response.content_type} | dict(response.headers)
        ).items():
            self.send_header(name, value)
        self.end_headers()
        for chunk in response.body:
            self.wfile.write(chunk)


class HostileSite(LocalSite):
    handler = _HostileHandler

    @staticmethod
    def with_robots(seed: int) -> "HostileSite":
        """Make a site with the robots.txt of a seed; other sites have none."""
        handler = type("Handler", (_HostileHandler,), {"robots": build_robots(seed)})
        return type("Site", (HostileSite,), {"handler": handler})()


def build_response(path: str, query: dict[str, str]) -> HostileResponse:
    match path.split("/")[1:]:
        case [_] if path in pages.PAGES:
            response = complete_response(pages.PAGES[path])
        case [_] if path in BODIES:
            response = BODIES[path]()
        case ["sw.js"]:
            response = complete_response(pages.SERVICE_WORKER, "text/javascript")
        case ["reach"]:
            response = complete_response(
                pages.build_probe_page(query.get("host", ""), query.get("port", ""))
            )
        case ["away"]:
            response = complete_response("", status=302, location=query.get("to", "/"))
        case ["status", status] if re.fullmatch(r"[45]\d\d", status):
            response = complete_response(f"<p>status {status}</p>", status=int(status))
        case ["redirects", left] if re.fullmatch(r"\d{1,3}", left):
            response = _redirect(int(left) - 1)
        case _:
            response = complete_response("<p>nothing here</p>", status=404)
    return response


def _redirect(left: int) -> HostileResponse:
    """Redirect that many times; from 999 it is more than any client follows."""
    return complete_response("", status=302, location=f"/redirects/{left}" if left > 0 else "/")
