"""Limits on text and JSON: no NUL, no lone surrogate, no number beyond 64 bits."""

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, TypeAlias, cast

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from msaas.contracts.errors import UnsafeText

MAX_DEPTH = 32
MAX_INT = 2**63 - 1
NO_NUL = r"^[^\x00]*$"
_REPLACEMENT = "\ufffd"
_AS_SQUARE = bytes.maketrans(b"{}", b"[]")
_NEITHER_BRACKET_NOR_QUOTE = bytes(set(range(256)) - set(b'"[]{}'))


def refuse_unsafe_json(data: bytes) -> None:
    """Refuse in well-formed JSON what parsers accept: NUL in text, and deep nesting.

    It may run before the parser: of what is not JSON it may refuse or accept anything.
    Byte searches clear nearly every document; only the others are examined in full.
    """
    if b"\\u0000" in data and b"\\u0000" in data.replace(rb"\\", b""):
        raise UnsafeText("text contains NUL")
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and _is_deep(data):
        raise UnsafeText(f"nesting is deeper than {MAX_DEPTH}")


def count_containers(data: bytes, enough: int = 0) -> int:
    """Count arrays and objects without parsing; up to `enough`, brackets in text may count too."""
    count = data.count(b"{") + data.count(b"[")
    return count if count <= enough else _read_brackets(data).count(b"[")


def _is_deep(data: bytes) -> bool:
    """Whether brackets remain after removing the innermost pairs once for each level."""
    brackets = _read_brackets(data)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _read_brackets(data: bytes) -> bytes:
    """Return the brackets outside of text, all of them as square ones."""
    unescaped = data.replace(rb"\\", b"").replace(rb"\"", b"")
    marks = unescaped.translate(_AS_SQUARE, _NEITHER_BRACKET_NOR_QUOTE)
    return b"".join(marks.replace(b'""', b"").split(b'"')[::2])


def normalise_text(text: str, limit: int | None = None) -> str:
    """Replace NUL and lone surrogates in foreign text (a page, an exception) with U+FFFD."""
    cut = text[:limit]
    if not cut.isascii():
        cut = cut.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return cut.replace("\0", _REPLACEMENT)


def _normalised(limit: int) -> BeforeValidator:
    def normalise(value: object) -> object:
        return normalise_text(value, limit) if isinstance(value, str) else value

    return BeforeValidator(normalise)


def _refuse_unsafe_values(value: dict[str, Any]) -> dict[str, Any]:
    _check_values(value.values(), 1)
    return value


def _check_values(values: Iterable[object], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise UnsafeText(f"nesting is deeper than {MAX_DEPTH}")
    for value in values:
        kind = type(value)
        if kind is dict:
            inner = cast("dict[object, object]", value)
            _refuse_other_keys(inner)
            _check_values(inner.values(), depth + 1)
        elif kind is list:
            _check_values(cast("list[object]", value), depth + 1)
        elif not (kind is str or kind is bool or value is None):
            _refuse_huge_number(value)


def _refuse_other_keys(keys: Iterable[object]) -> None:
    for key in keys:
        if type(key) is not str:
            raise UnsafeText("a key is not a string")


def _refuse_huge_number(value: object) -> None:
    if type(value) is int:
        if not -MAX_INT - 1 <= value <= MAX_INT:
            raise UnsafeText("a number does not fit in 64 bits")
    elif type(value) is not float:
        raise UnsafeText("a value is not JSON")
    elif not math.isfinite(value):
        raise UnsafeText("a number is not finite")


def _require_storable_timestamp(value: datetime) -> datetime:
    """Refuse years that Postgres or Python in another time zone cannot represent."""
    if value.year not in _YEARS:
        raise ValueError("a timestamp must be in the years 1970 to 2999")
    return value


_YEARS = range(1970, 3000)
Timestamp: TypeAlias = Annotated[AwareDatetime, AfterValidator(_require_storable_timestamp)]
Text: TypeAlias = Annotated[str, Field(pattern=NO_NUL)]
ErrorText: TypeAlias = Annotated[str, Field(max_length=1_000), _normalised(1_000)]
ForeignText: TypeAlias = Annotated[str, Field(max_length=200_000), _normalised(200_000)]
ForeignUrl: TypeAlias = Annotated[str, Field(max_length=2_048), _normalised(2_048)]
ShortText: TypeAlias = Annotated[str, Field(max_length=200), _normalised(200)]
Identifier: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]*$", max_length=64)]
JsonObject: TypeAlias = Annotated[dict[str, Any], AfterValidator(_refuse_unsafe_values)]
