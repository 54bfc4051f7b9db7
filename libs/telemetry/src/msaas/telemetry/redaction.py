"""Takes secrets and personal data out of what is about to leave the process."""

from collections.abc import Iterable, Mapping
from datetime import date, time
from enum import Enum
from itertools import islice
from typing import Final, cast
from uuid import UUID

from msaas.telemetry.secret_patterns import (
    REDACTED,
    is_card,
    is_secret_name,
    is_suspect,
    mask_secrets,
)

TRUNCATED: Final = "[truncated]"

_MAX_DEPTH: Final = 8
_MAX_ITEMS: Final = 200
_MAX_TEXT: Final = 4_000
_MAX_TOTAL: Final = 32_000
_MARGIN: Final = 512  # a secret that straddles the cut is masked before the cut is made
_WIDEST_NUMBER: Final = 63  # bits that every reader of JSON can hold
_HARMLESS: Final = (bool, float, UUID, date, time, type(None))


def redact_text(text: str) -> str:
    encoded = text.encode(errors="replace")
    readable = encoded.decode()
    return mask_secrets(readable) if is_suspect(encoded) else readable


def redact(value: object) -> object:
    """Make plain data of anything, bounded in depth and length, with nothing secret in it."""
    return _Walk().value(value, 0)


def plain(value: object) -> object:
    """Give for a foreign object what JSON can hold."""
    match value:
        case Enum():
            return value.value
        case bytes() | bytearray():
            return value.decode(errors="replace")
        case tuple() | set() | frozenset():
            return list(cast("Iterable[object]", value))
        case Mapping():
            return dict(cast("Mapping[object, object]", value))
        case _:
            return _described(value)


def _described(value: object) -> str:
    try:
        if isinstance(value, BaseException):
            return f"{type(value).__name__}: {value}"
        return repr(value)
    except Exception:  # noqa: BLE001  # a line must not fail on somebody's __repr__
        return f"<unprintable {type(value).__name__}>"


class _Walk:
    """One pass over a value; `left` is how much may still be written."""

    def __init__(self) -> None:
        self.left = _MAX_TOTAL

    def value(self, value: object, depth: int) -> object:
        self.left -= 1
        if self.left < 0 or depth > _MAX_DEPTH:
            return TRUNCATED
        match value:
            case str():
                return self.text(value)
            case int() if not isinstance(value, bool):
                return _number(value)
            case dict():
                return self.fields(cast("dict[object, object]", value), depth + 1)
            case list():
                return self.items(cast("list[object]", value), depth + 1)
            case _:
                return value if isinstance(value, _HARMLESS) else self.value(plain(value), depth)

    def text(self, text: str) -> str:
        limit = max(min(_MAX_TEXT, self.left), 0)
        kept = redact_text(text[: limit + _MARGIN])
        if len(text) > limit:
            kept = kept[:limit] + TRUNCATED
        self.left -= len(kept)
        return kept

    def fields(self, fields: dict[object, object], depth: int) -> dict[str, object]:
        kept: dict[str, object] = {}
        for key, value in islice(fields.items(), _MAX_ITEMS):
            name = str(self.value(key, depth))
            kept[name] = REDACTED if is_secret_name(name, value) else self.value(value, depth)
        return kept

    def items(self, items: list[object], depth: int) -> list[object]:
        kept = [self.value(item, depth) for item in islice(items, _MAX_ITEMS)]
        match kept:
            case [str() as name, value] if is_secret_name(name, value):
                return [name, REDACTED]  # a header, as ASGI and the standard library write it
            case _:
                return kept


def _number(number: int) -> object:
    if number.bit_length() > _WIDEST_NUMBER:
        return TRUNCATED
    return REDACTED if is_card(str(number)) else number
