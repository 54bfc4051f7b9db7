"""What Redis answers, in raw RESP2, as the values of the wire."""

from typing import Any, cast

from msaas.streams.broker import RawEntry


def read_entry(item: Any, delivery_count: int = 1) -> RawEntry:
    pairs = cast("list[bytes]", item[1] or [])
    return RawEntry(
        read_text(item[0]), dict(zip(pairs[::2], pairs[1::2], strict=True)), delivery_count
    )


def read_text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def read_clock_ms(reply: Any) -> int:
    return int(reply[0]) * 1000 + int(reply[1]) // 1000
