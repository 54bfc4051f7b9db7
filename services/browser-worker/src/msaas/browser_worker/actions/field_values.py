"""Converts the text of a page to a value of the requested type."""

import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import urljoin, urlsplit

from msaas.contracts import normalise_text

MAX_INT: Final = 2**63 - 1
_NUMBER: Final = re.compile(r"[-+\u2212]?\d[\d.,'\u00a0\u202f ]*")
_THOUSANDS_SEPARATOR: Final = re.compile(r"[,'\u00a0\u202f ](?=\d{3}(?!\d))")
_TRUE_VALUES: Final = frozenset({"true", "yes", "on", "1", "y", "checked", "selected"})
_FALSE_VALUES: Final = frozenset({"false", "no", "off", "0", "n", ""})

FieldScalar = str | int | float | bool


class FieldTypeMismatch(Exception):
    """A value is not of the `expected` type."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected


def parse_value(text: str, kind: str, base: str) -> FieldScalar:
    return _PARSERS[kind](normalise_text(text), base)


def _parse_text(text: str, _base: str) -> str:
    return text.strip()


def _parse_number(text: str, _base: str) -> float:
    """Read the first number: `1,234.50 €` is 1234.5; only a point parts the decimals."""
    found = _NUMBER.search(text)
    digits = _THOUSANDS_SEPARATOR.sub("", found.group()) if found else ""
    digits = digits.replace("\u2212", "-").strip(" ,.'\u00a0\u202f")
    try:
        number = float(digits)
    except ValueError:
        raise FieldTypeMismatch("number") from None
    if not math.isfinite(number):
        raise FieldTypeMismatch("number")
    return number


def _parse_integer(text: str, base: str) -> int:
    try:
        number = _parse_number(text, base)
    except FieldTypeMismatch:
        raise FieldTypeMismatch("integer") from None
    if number != int(number) or abs(number) > MAX_INT:
        raise FieldTypeMismatch("integer")
    return int(number)


def _parse_boolean(text: str, _base: str) -> bool:
    value = text.strip().lower()
    if value not in _TRUE_VALUES | _FALSE_VALUES:
        raise FieldTypeMismatch("boolean")
    return value in _TRUE_VALUES


def _parse_url(text: str, base: str) -> str:
    try:
        url = urljoin(base, text.strip())
        scheme = urlsplit(url).scheme
    except ValueError:
        raise FieldTypeMismatch("url") from None
    if scheme not in {"http", "https"}:
        raise FieldTypeMismatch("url")
    return url


_PARSERS: Final[Mapping[str, Callable[[str, str], FieldScalar]]] = MappingProxyType(
    {
        "text": _parse_text,
        "html": _parse_text,
        "number": _parse_number,
        "integer": _parse_integer,
        "boolean": _parse_boolean,
        "url": _parse_url,
    }
)
