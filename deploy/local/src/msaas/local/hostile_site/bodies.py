"""Answers that misbehave on the wire: too slow, too long, too large, or not what they say."""

import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

HTML: Final = "text/html; charset=utf-8"
_MEGABYTE: Final = 1024 * 1024
_PATIENCE: Final = 120


@dataclass(frozen=True, slots=True)
class Answer:
    """A body in pieces; it ends when the visitor hangs up, if not before."""

    body: Iterator[bytes]
    kind: str = HTML
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def whole(text: str | bytes, kind: str = HTML, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = text.encode() if isinstance(text, str) else text
    return Answer(iter((body,)), kind, status, named | {"content-length": str(len(body))})


def drip() -> Iterator[bytes]:
    """Send a byte now and then, so that no read ever takes too long."""
    for _ in range(_PATIENCE * 5):
        time.sleep(0.2)
        yield b" "


def silence() -> Iterator[bytes]:
    time.sleep(_PATIENCE)
    yield b""


def endless() -> Iterator[bytes]:
    yield b"<pre>"
    while True:
        yield b"no end in sight\n" * 4096


def huge() -> Iterator[bytes]:
    """Send a hundred megabytes of elements."""
    for _ in range(100):
        yield b"<p>x</p>" * (_MEGABYTE // 8)


def bomb() -> Iterator[bytes]:
    """Compress ten gigabytes to a few megabytes: one block, which stands for itself, many times."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    yield packer.compress(b"<body>") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b"<p>x</p>" * (_MEGABYTE // 8)) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(10_000):
        yield block


BODIES: Final[Mapping[str, Callable[[], Answer]]] = {
    "/drip": lambda: Answer(drip()),
    "/silent": lambda: Answer(silence()),
    "/endless": lambda: Answer(endless()),
    "/endless-file": lambda: Answer(endless(), "application/octet-stream"),
    "/huge": lambda: Answer(huge()),
    "/bomb": lambda: Answer(bomb(), headers={"content-encoding": "gzip"}),
    "/download": lambda: whole(
        b"MZ", "application/x-msdownload", content_disposition='attachment; filename="a.exe"'
    ),
    "/auth": lambda: whole("<p>who?</p>", status=401, www_authenticate='Basic realm="all"'),
    "/image": lambda: whole(b"\x89PNG\r\n\x1a\n" + bytes(64), "image/png"),
    "/pdf": lambda: whole(b"%PDF-1.7\n%%EOF", "application/pdf"),
    "/json": lambda: whole('{"a": 1}', "application/json"),
    "/nonsense-kind": lambda: whole("<p>x</p>", "no/such; kind=\u00e4"),
    "/latin-as-utf8": lambda: whole("<p>caf\u00e9</p>".encode("latin-1")),
    "/utf16-as-utf8": lambda: whole("<p>caf\u00e9</p>".encode("utf-16-le")),
    "/no-such-charset": lambda: whole("<p>plain</p>", "text/html; charset=x-none"),
    "/short": lambda: Answer(iter((b"<p>cut",)), headers={"content-length": "5000"}),
    "/huge-head": lambda: whole("<p>x</p>", x_filler="x" * 400_000),
    "/not-packed": lambda: whole("<p>x</p>", content_encoding="gzip"),
}
