"""Compresses JSON responses of one chunk; streams are not compressed."""

import gzip
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, cast

import brotli

from msaas.web.asgi import ASGIApp, Message, Receive, Scope, Send, find_header

_MIN_SIZE: Final = 1_024
_BROTLI_QUALITY: Final = 4
_GZIP_LEVEL: Final = 6
_ENCODERS: Final[Mapping[bytes, Callable[[bytes], bytes]]] = {
    b"br": partial(cast("Callable[..., bytes]", brotli.compress), quality=_BROTLI_QUALITY),
    b"gzip": partial(gzip.compress, compresslevel=_GZIP_LEVEL, mtime=0),
}


class Compression:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        coding = None
        if scope["type"] == "http":
            coding = _choose(find_header(scope["headers"], b"accept-encoding") or b"")
        if coding is None:
            await self._app(scope, receive, send)
            return
        start: Message | None = None

        async def compress(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_compressible(message):
                start = message  # held back until the size of the body is known
                return
            if start is not None:
                pending_start, start = start, None
                if not message.get("more_body") and len(message.get("body", b"")) >= _MIN_SIZE:
                    _encode(pending_start, message, coding)
                await send(pending_start)
            await send(message)

        await self._app(scope, receive, compress)


def encode_body(body: bytes, accepted: bytes) -> tuple[bytes, str | None]:
    """Return the body in the best coding that is accepted, and the name of the coding."""
    coding = _choose(accepted)
    if coding is None or len(body) < _MIN_SIZE:
        return body, None
    return _ENCODERS[coding](body), coding.decode()


def _choose(accepted: bytes) -> bytes | None:
    """Prefer br, then gzip; what carries q=0 is refused."""
    offers = [offer.replace(b" ", b"").lower() for offer in accepted.split(b",")]
    acceptable = {
        name
        for name, _, quality in (offer.partition(b";") for offer in offers)
        if quality.rstrip(b".0") != b"q="
    }
    return next((coding for coding in _ENCODERS if coding in acceptable), None)


def _is_compressible(start: Message) -> bool:
    headers = start.get("headers", ())
    media_type = (find_header(headers, b"content-type") or b"").partition(b";")[0]
    is_json = media_type.startswith(b"application/") and media_type.endswith(b"json")
    return is_json and find_header(headers, b"content-encoding") is None


def _encode(start: Message, message: Message, coding: bytes) -> None:
    body: bytes = message["body"]
    encoded = _ENCODERS[coding](body)
    message["body"] = encoded
    start["headers"] = [
        *(header for header in start["headers"] if header[0].lower() != b"content-length"),
        (b"content-length", str(len(encoded)).encode()),
        (b"content-encoding", coding),
        (b"vary", b"accept-encoding"),
    ]
