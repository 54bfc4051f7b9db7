"""Parses the text of a search for jobs."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from msaas.gateway.domain.search_terms import (
    DURATION_KEYS,
    KEYS,
    NUMBER_KEYS,
    TEXT_KEYS,
    WORD_LISTS,
    Date,
    Duration,
    Match,
    Number,
    Operator,
    Pattern,
    Search,
    SearchError,
    Term,
    Words,
)

MAX_LENGTH: Final = 1_000

# What ECMAScript calls white space, so that the dashboard divides a text alike.
_SPACE: Final = re.compile(r"[\t-\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]")
_KEY: Final = re.compile(r"([a-z][a-z_]*):")
_OPERATORS: Final[Sequence[Operator]] = ("<=", ">=", "<", ">", "=")
_NUMBER: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|[smhdw])")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?")
_UNITS_MS: Final = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}


def parse_search(text: str) -> Search:
    """Return the terms in their order; raise SearchError."""
    length = count_units(text)
    if length > MAX_LENGTH:
        raise SearchError("too_long", MAX_LENGTH, length)
    if "\0" in text:  # no text of a job has one
        place = count_units(text[: text.index("\0")])
        raise SearchError("null_character", place, place + 1)
    return tuple(_Parser(text).parse())


def count_units(text: str) -> int:
    """Count UTF-16 units, by which browsers count."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


class _Parser:
    """Reads from left to right; `_at` is the position of the next character."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def parse(self) -> list[Term]:
        terms: list[Term] = []
        while True:
            self._read_while(self._is_space)
            if self._at == len(self._text):
                return terms
            terms.append(self._parse_term())

    def _parse_term(self) -> Term:
        negated = self._text[self._at] == "-" and not self._ends_at(self._at + 1)
        self._at += negated
        start = self._at
        found = _KEY.match(self._text, start)
        if found is None:
            return Words(self._read_text().text, negated)
        key, self._at = found[1], found.end()
        if key in TEXT_KEYS:
            return Match(key, self._read_values(key), negated)
        if key not in KEYS:
            raise self._error("unknown_key", start, start + len(key), KEYS)
        return self._parse_comparison(key, negated=negated)

    def _parse_comparison(self, key: str, *, negated: bool) -> Term:
        operator = self._read_operator()
        start = self._at
        given = self._read_text().text
        if not given:
            raise self._error("missing_value", start)
        if key in NUMBER_KEYS:
            if not _NUMBER.fullmatch(given):
                raise self._error("not_a_number", start)
            return Number(key, operator, Decimal(given), negated)
        if key in DURATION_KEYS:
            return Duration(key, operator, self._to_duration(given, start), negated)
        return Date(key, operator, self._to_date(given, start), "T" not in given, negated)

    def _to_duration(self, given: str, start: int) -> timedelta:
        found = _DURATION.fullmatch(given)
        if found is None:
            raise self._error("not_a_duration", start)
        milliseconds = Decimal(found[1]) * _UNITS_MS[found[2]]
        return timedelta(milliseconds=int(milliseconds + Decimal("0.5")))

    def _to_date(self, given: str, start: int) -> datetime:
        try:
            if _DATE.fullmatch(given):
                return datetime.fromisoformat(given.removesuffix("Z")).replace(tzinfo=UTC)
        except ValueError:  # there is no such day
            pass
        raise self._error("not_a_date", start)

    def _read_values(self, key: str) -> tuple[Pattern, ...]:
        values = [self._read_value(key)]
        while self._text.startswith(",", self._at):
            self._at += 1
            values.append(self._read_value(key))
        return tuple(values)

    def _read_value(self, key: str) -> Pattern:
        start = self._at
        pattern = self._read_text(",")
        if not pattern.text and not pattern.exact:
            raise self._error("missing_value", start)
        words = WORD_LISTS.get(key)
        if words is None:
            return pattern
        word = pattern.text.lower()
        if word not in words:
            raise self._error("unknown_value", start, self._at, words)
        return Pattern(word)

    def _read_operator(self) -> Operator:
        for operator in _OPERATORS:
            if self._text.startswith(operator, self._at):
                self._at += len(operator)
                return operator
        return "="

    def _read_text(self, end: str = "") -> Pattern:
        """Read a word, or a text in quotes, where a backslash makes the next character ordinary."""
        if self._text.startswith('"', self._at):
            return Pattern(self._read_quoted(), exact=True)
        return Pattern(self._read_while(lambda c: not self._is_space(c) and c != end))

    def _read_quoted(self) -> str:
        start, characters = self._at, list[str]()
        self._at += 1
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character == '"':
                return "".join(characters)
            if character == "\\":
                character = self._text[self._at : self._at + 1]
                self._at += 1
            characters.append(character)
        self._at = len(self._text)
        raise self._error("open_quote", start)

    def _read_while(self, accepts: Callable[[str], bool]) -> str:
        start = self._at
        while self._at < len(self._text) and accepts(self._text[self._at]):
            self._at += 1
        return self._text[start : self._at]

    def _is_space(self, character: str) -> bool:
        return _SPACE.fullmatch(character) is not None

    def _ends_at(self, at: int) -> bool:
        return at >= len(self._text) or self._is_space(self._text[at])

    def _error(
        self, code: str, start: int, end: int | None = None, allowed: Sequence[str] = ()
    ) -> SearchError:
        last = max(self._at, start + 1) if end is None else end
        first_unit = count_units(self._text[:start])
        last_unit = max(count_units(self._text[:last]), first_unit + 1)
        return SearchError(code, first_unit, last_unit, allowed)
