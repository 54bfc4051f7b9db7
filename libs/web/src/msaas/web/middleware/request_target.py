"""Refuses requests whose host or path a proxy may interpret differently."""

import re
from collections.abc import Sequence
from typing import Final

from msaas.web.asgi import ASGIApp, Receive, Scope, Send
from msaas.web.problems import Malformed

_MAX_HEADERS: Final = 100
_HOST: Final = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,255})(:[0-9]{1,5})?")
# Proxies may decode, resolve or merge these: proxy and server could see different routes.
_AMBIGUOUS: Final = re.compile(rb"%2f|%5c|\\|//|%[01][0-9a-f]|%7f|[\x00-\x20\x7f]")
_DOTS: Final = frozenset({b".", b".."})


class RequestTargetValidation:
    """Accepts every host if `hosts` is empty; `*.example.com` matches its subdomains."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._names = frozenset(host.lower() for host in hosts if not host.startswith("*."))
        self._suffixes = tuple(host[1:].lower() for host in hosts if host.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if len(scope["headers"]) > _MAX_HEADERS:
                raise Malformed("The request has too many headers.")
            self._check_host([value for name, value in scope["headers"] if name == b"host"])
            validate_path(scope.get("raw_path") or b"")
        await self._app(scope, receive, send)

    def _check_host(self, given: Sequence[bytes]) -> None:
        if len(given) > 1:
            raise Malformed("The request names more than one host.")
        found = _HOST.fullmatch(given[0].decode("latin-1").lower()) if given else None
        if given and found is None:
            raise Malformed("The host is not well-formed.")
        if not self._names and not self._suffixes:
            return
        name = found[1] if found else ""
        if name not in self._names and not name.endswith(self._suffixes or ("\0",)):
            raise Malformed("Unknown host.")


def validate_path(path: bytes) -> None:
    lowered = path.lower()
    if _AMBIGUOUS.search(lowered):
        raise Malformed("The path contains invalid characters.")
    if b"." in lowered or b"%2e" in lowered:
        segments = lowered.replace(b"%2e", b".").split(b"/")
        if not _DOTS.isdisjoint(segments):
            raise Malformed("The path is not in its normal form.")
