"""Hostile responses: too slow, endless, too large, or with false headers."""

import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

HTML: Final = "text/html; charset=utf-8"
_MEGABYTE: Final = 1024 * 1024
_MAX_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class HostileResponse:
    """A body in chunks; it ends at the latest when the client disconnects."""

    body: Iterator[bytes]
    content_type: str = HTML
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def complete_response(
    text: str | bytes, content_type: str = HTML, status: int = 200, **headers: str
) -> HostileResponse:
    headers_by_name = {name.replace("_", "-"): value for name, value in headers.items()}
    body = text.encode() if isinstance(text, str) else text
    return HostileResponse(
        iter((body,)), content_type, status, headers_by_name | {"content-length": str(len(body))}
    )


def slow_body() -> Iterator[bytes]:
    """Send a byte at intervals, so that no single read times out."""
    for _ in range(_MAX_SECONDS * 5):
        time.sleep(0.2)
        yield b" "


def silent_body() -> Iterator[bytes]:
    time.sleep(_MAX_SECONDS)
    yield b""


def endless_body() -> Iterator[bytes]:
    yield b"<pre>"
    while True:
        yield b"no end in sight\n" * 4096


def huge_body() -> Iterator[bytes]:
    """Send a hundred megabytes of elements."""
    for _ in range(100):
        yield b"<p>x</p>" * (_MEGABYTE // 8)


def compression_bomb() -> Iterator[bytes]:
    """Compress ten gigabytes to a few megabytes, by repeating one compressed block."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    yield compressor.compress(b"<body>") + compressor.flush(zlib.Z_FULL_FLUSH)
    block = compressor.compress(b"<p>x</p>" * (_MEGABYTE // 8)) + compressor.flush(
        zlib.Z_FULL_FLUSH
    )
    for _ in range(10_000):
        yield block


BODIES: Final[Mapping[str, Callable[[], HostileResponse]]] = {
    "/drip": lambda: HostileResponse(slow_body()),
    "/silent": lambda: HostileResponse(silent_body()),
    "/endless": lambda: HostileResponse(endless_body()),
    "/endless-file": lambda: HostileResponse(endless_body(), "application/octet-stream"),
    "/huge": lambda: HostileResponse(huge_body()),
    "/bomb": lambda: HostileResponse(compression_bomb(), headers={"content-encoding": "gzip"}),
    "/download": lambda: complete_response(
        b"MZ", "application/x-msdownload", content_disposition='attachment; filename="a.exe"'
    ),
    "/auth": lambda: complete_response(
        "<p>who?</p>", status=401, www_authenticate='Basic realm="all"'
    ),
    "/image": lambda: complete_response(b"\x89PNG\r\n\x1a\n" + bytes(64), "image/png"),
    "/pdf": lambda: complete_response(b"%PDF-1.7\n%%EOF", "application/pdf"),
    "/json": lambda: complete_response('{"a": 1}', "application/json"),
    "/nonsense-kind": lambda: complete_response("<p>x</p>", "no/such; kind=\u00e4"),
    "/latin-as-utf8": lambda: complete_response("<p>caf\u00e9</p>".encode("latin-1")),
    "/utf16-as-utf8": lambda: complete_response("<p>caf\u00e9</p>".encode("utf-16-le")),
    "/no-such-charset": lambda: complete_response("<p>plain</p>", "text/html; charset=x-none"),
    "/short": lambda: HostileResponse(iter((b"<p>cut",)), headers={"content-length": "5000"}),
    "/huge-head": lambda: complete_response("<p>x</p>", x_filler="x" * 400_000),
    "/not-packed": lambda: complete_response("<p>x</p>", content_encoding="gzip"),
}
