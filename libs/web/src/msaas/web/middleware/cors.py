"""CORS for the configured origins; other origins receive no headers."""

from collections.abc import Sequence
from typing import Final

from msaas.web.asgi import ASGIApp, Message, Receive, Scope, Send, find_header

_METHODS: Final = b"GET, POST, PUT, PATCH, DELETE"
_MAX_AGE: Final = b"600"


class Cors:
    """Without wildcards and credentials: clients send a token, not a cookie."""

    def __init__(
        self,
        app: ASGIApp,
        allow_origins: Sequence[str],
        allow_headers: Sequence[str],
        expose_headers: Sequence[str],
    ) -> None:
        self._app = app
        self._allow_origins = frozenset(origin.encode() for origin in allow_origins)
        self._allow_headers = ", ".join(allow_headers).encode()
        self._expose_headers = ", ".join(expose_headers).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin = find_header(scope["headers"], b"origin")
        allowed = origin if origin in self._allow_origins else None
        if allowed and _is_preflight(scope):
            await self._answer_preflight(allowed, send)
            return

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers(allowed)]
            await send(message)

        await self._app(scope, receive, add)

    def _headers(self, allowed: bytes | None) -> list[tuple[bytes, bytes]]:
        vary = (
            b"vary",
            b"origin",
        )  # without an Origin too, so that caches keep the responses apart
        if allowed is None:
            return [vary]
        return [
            vary,
            (b"access-control-allow-origin", allowed),
            (b"access-control-expose-headers", self._expose_headers),
        ]

    async def _answer_preflight(self, allowed: bytes, send: Send) -> None:
        headers = [
            (b"access-control-allow-origin", allowed),
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", self._allow_headers),
            (b"access-control-max-age", _MAX_AGE),
            (b"vary", b"origin"),
            (b"content-length", b"0"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})


def _is_preflight(scope: Scope) -> bool:
    requested_method = find_header(scope["headers"], b"access-control-request-method")
    return scope["method"] == "OPTIONS" and requested_method is not None
