"""Removes secrets and personal data from data that leaves the process."""

from collections.abc import Iterable, Mapping
from datetime import date, time
from enum import Enum
from itertools import islice
from typing import Final, cast
from uuid import UUID

from msaas.telemetry.secret_patterns import (
    REDACTED,
    is_card_number,
    is_secret_name,
    mask_secrets,
    may_contain_secret,
)

TRUNCATED: Final = "[truncated]"

_MAX_DEPTH: Final = 8
_MAX_ITEMS: Final = 200
_MAX_TEXT: Final = 4_000
_MAX_TOTAL: Final = 32_000
_OVERLAP: Final = 512  # a secret across the limit is masked before truncation
_MAX_INTEGER_BITS: Final = 63  # the range of integers in JSON parsers
_UNREDACTED_TYPES: Final = (bool, float, UUID, date, time, type(None))


def redact_text(text: str) -> str:
    encoded = text.encode(errors="replace")
    readable = encoded.decode()
    return mask_secrets(readable) if may_contain_secret(encoded) else readable


def redact(value: object) -> object:
    """Convert any value to plain data, limited in depth and length, without secrets."""
    return _Redactor().value(value, 0)


def to_plain(value: object) -> object:
    """Convert an object to a type that JSON supports."""
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
            return _safe_repr(value)


def _safe_repr(value: object) -> str:
    try:
        if isinstance(value, BaseException):
            return f"{type(value).__name__}: {value}"
        return repr(value)
    except Exception:  # noqa: BLE001  # a __repr__ may fail; the log line must not
        return f"<unprintable {type(value).__name__}>"


class _Redactor:
    """One pass over a value; `budget` is the remaining output size."""

    def __init__(self) -> None:
        self.budget = _MAX_TOTAL

    def value(self, value: object, depth: int) -> object:
        self.budget -= 1
        if self.budget < 0 or depth > _MAX_DEPTH:
            return TRUNCATED
        match value:
            case str():
                return self.text(value)
            case int() if not isinstance(value, bool):
                return _redact_number(value)
            case dict():
                return self.fields(cast("dict[object, object]", value), depth + 1)
            case list():
                return self.items(cast("list[object]", value), depth + 1)
            case _:
                return (
                    value
                    if isinstance(value, _UNREDACTED_TYPES)
                    else self.value(to_plain(value), depth)
                )

    def text(self, text: str) -> str:
        limit = max(min(_MAX_TEXT, self.budget), 0)
        redacted = redact_text(text[: limit + _OVERLAP])
        if len(text) > limit:
            redacted = redacted[:limit] + TRUNCATED
        self.budget -= len(redacted)
        return redacted

    def fields(self, fields: dict[object, object], depth: int) -> dict[str, object]:
        redacted: dict[str, object] = {}
        for key, value in islice(fields.items(), _MAX_ITEMS):
            name = str(self.value(key, depth))
            redacted[name] = REDACTED if is_secret_name(name, value) else self.value(value, depth)
        return redacted

    def items(self, items: list[object], depth: int) -> list[object]:
        redacted = [self.value(item, depth) for item in islice(items, _MAX_ITEMS)]
        match redacted:
            case [str() as name, value] if is_secret_name(name, value):
                return [name, REDACTED]  # a header as a pair, as in ASGI
            case _:
                return redacted


def _redact_number(number: int) -> object:
    if number.bit_length() > _MAX_INTEGER_BITS:
        return TRUNCATED
    return REDACTED if is_card_number(str(number)) else number
