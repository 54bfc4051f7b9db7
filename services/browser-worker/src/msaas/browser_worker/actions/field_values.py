"""From what a page says to a value of the type that was asked for."""

import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import urljoin, urlsplit

from msaas.contracts import normalise_text

MOST_INT: Final = 2**63 - 1
_NUMBER: Final = re.compile(r"[-+\u2212]?\d[\d.,'\u00a0\u202f ]*")
_BETWEEN_THOUSANDS: Final = re.compile(r"[,'\u00a0\u202f ](?=\d{3}(?!\d))")
_YES: Final = frozenset({"true", "yes", "on", "1", "y", "checked", "selected"})
_NO: Final = frozenset({"false", "no", "off", "0", "n", ""})

Scalar = str | int | float | bool


class FieldWrong(Exception):
    """What is there is not of the type that is `wanted`."""

    def __init__(self, wanted: str) -> None:
        super().__init__(wanted)
        self.wanted = wanted


def read_value(text: str, kind: str, base: str) -> Scalar:
    return _READERS[kind](normalise_text(text), base)


def _read_text(text: str, _base: str) -> str:
    return text.strip()


def _read_number(text: str, _base: str) -> float:
    """Read the first number: `1,234.50 €` is 1234.5; only a point parts the decimals."""
    found = _NUMBER.search(text)
    digits = _BETWEEN_THOUSANDS.sub("", found.group()) if found else ""
    digits = digits.replace("\u2212", "-").strip(" ,.'\u00a0\u202f")
    try:
        number = float(digits)
    except ValueError:
        raise FieldWrong("number") from None
    if not math.isfinite(number):
        raise FieldWrong("number")
    return number


def _read_integer(text: str, base: str) -> int:
    try:
        number = _read_number(text, base)
    except FieldWrong:
        raise FieldWrong("integer") from None
    if number != int(number) or abs(number) > MOST_INT:
        raise FieldWrong("integer")
    return int(number)


def _read_boolean(text: str, _base: str) -> bool:
    word = text.strip().lower()
    if word not in _YES | _NO:
        raise FieldWrong("boolean")
    return word in _YES


def _read_url(text: str, base: str) -> str:
    try:
        url = urljoin(base, text.strip())
        scheme = urlsplit(url).scheme
    except ValueError:
        raise FieldWrong("url") from None
    if scheme not in {"http", "https"}:
        raise FieldWrong("url")
    return url


_READERS: Final[Mapping[str, Callable[[str, str], Scalar]]] = MappingProxyType(
    {
        "text": _read_text,
        "html": _read_text,
        "number": _read_number,
        "integer": _read_integer,
        "boolean": _read_boolean,
        "url": _read_url,
    }
)
