"""Reads each request's body once, and refuses large bodies and JSON that cannot be stored."""

import re
from typing import Any, Final, NamedTuple

import orjson
from starlette.requests import ClientDisconnect

from msaas.contracts import UnsafeText, count_containers, refuse_unsafe_json
from msaas.web.asgi import ASGIApp, Message, Receive, Scope, Send, find_header, is_json
from msaas.web.problems import Malformed, PayloadTooLarge, UnsupportedMediaType

# Each costs a Python object; a batch of 100 jobs has 100 for each of its jobs.
MAX_CONTAINERS: Final = 10_000
_BODY_KEY: Final = "body"
# The content of these has no meaning (RFC 9110, 9.3.1): an answer does not wait for its end.
_METHODS_WITHOUT_BODY: Final = frozenset({"GET", "HEAD"})
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')
_LONG_RUN: Final = re.compile(rb"\d{19}")
_LONG_INTEGER: Final = re.compile(rb"(?<![\d.eE+])-?\d{19,}(?![\d.eE])")
_INT64: Final = 2**63


class BufferedBody(NamedTuple):
    """The bytes of a body, and its JSON; None for an empty body or another media type."""

    raw: bytes
    json: Any


def get_body(scope: Scope) -> BufferedBody:
    """Return the body that `BodyValidation` read; nothing behind it reads `receive` for it."""
    return scope["state"][_BODY_KEY]


class BodyValidation:
    """Buffers the body for the middleware behind it and for the endpoint.

    A GET or HEAD has an empty one: what a client sends with it is neither read nor awaited.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._check_headers(scope)
        raw = b"" if scope["method"] in _METHODS_WITHOUT_BODY else await self._read(receive)
        parsed = parse_json(raw) if is_json(scope) else None
        scope.setdefault("state", {})[_BODY_KEY] = BufferedBody(raw, parsed)
        await self._app(scope, _replay(raw, receive), send)

    def _check_headers(self, scope: Scope) -> None:
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            raise Malformed("The address contains NUL.")
        length = find_header(scope["headers"], b"content-length") or b"0"
        if not length.isdigit():
            raise Malformed("Content-Length is not a number.")
        if len(length) > 18 or int(length) > self._max_bytes:  # noqa: PLR2004 - beyond 64 bits
            raise PayloadTooLarge
        if (find_header(scope["headers"], b"content-encoding") or b"identity") != b"identity":
            raise UnsupportedMediaType("Compressed bodies are not supported.")

    async def _read(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk = message.get("body", b"")
            chunks.append(chunk)
            size += len(chunk)
            if size > self._max_bytes:
                raise PayloadTooLarge
            if not message.get("more_body"):
                return b"".join(chunks)


def parse_json(body: bytes) -> Any:
    """Refuse invalid JSON, NUL, deep nesting, too many containers and integers beyond 64 bits.

    What is expensive to parse is refused before it is parsed.
    """
    if not body:
        return None
    try:
        if count_containers(body, MAX_CONTAINERS) > MAX_CONTAINERS:
            raise Malformed(f"The body has more than {MAX_CONTAINERS} arrays and objects.")
        refuse_unsafe_json(body)
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"The body is not JSON: {error}.") from None
    except UnsafeText as error:
        raise Malformed(f"The body cannot be stored: {error}.") from None
    if _LONG_RUN.search(body):
        _check_integers(body)
    return parsed


def _check_integers(body: bytes) -> None:
    for number in _LONG_INTEGER.findall(_STRING.sub(b'""', body)):
        if len(number) > 20 or not -_INT64 <= int(number) < _INT64:  # noqa: PLR2004 - sign and 19 digits
            raise Malformed("The body contains an integer beyond 64 bits.")


def _replay(body: bytes, receive: Receive) -> Receive:
    replayed = False

    async def replay() -> Message:
        nonlocal replayed
        if replayed:
            return await receive()
        replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
