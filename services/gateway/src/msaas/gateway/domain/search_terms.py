"""The terms of a search for jobs; docs/search.md describes the language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import ClassVar, Final, Literal, TypeAlias

from msaas.contracts import JobStatus

Operator: TypeAlias = Literal["<", "<=", ">", ">=", "="]

STATUS_WORDS: Final[Mapping[str, JobStatus]] = {
    "queued": JobStatus.PENDING,
    "running": JobStatus.RUNNING,
    "completed": JobStatus.COMPLETED,
    "failed": JobStatus.FAILED,
    "cancelled": JobStatus.CANCELLED,
}
SOURCE_WORDS: Final = ("dashboard", "api", "agent", "schedule", "replay")
TEXT_KEYS: Final = (
    "status",
    "type",
    "source",
    "id",
    "reason",
    "error",
    "correlation",
    "bulk",
    "key",
    "host",
    "path",
)
NUMBER_KEYS: Final = ("attempts", "priority", "cost")
DURATION_KEYS: Final = ("age", "took", "waited")
DATE_KEYS: Final = ("created", "finished")
KEYS: Final = TEXT_KEYS + NUMBER_KEYS + DURATION_KEYS + DATE_KEYS
WORD_LISTS: Final[Mapping[str, Sequence[str]]] = {
    "status": tuple(STATUS_WORDS),
    "source": SOURCE_WORDS,
}


class SearchError(ValueError):
    """A text that is no search: a code, the place in UTF-16 units, and what is allowed instead."""

    def __init__(self, code: str, start: int, end: int, allowed: Sequence[str] = ()) -> None:
        super().__init__(f"{code} at {start}")
        self.code, self.start, self.end, self.allowed = code, start, end, allowed


@dataclass(frozen=True, slots=True)
class Pattern:
    """In an exact text `*` is a character like any other."""

    text: str
    exact: bool = False

    @property
    def has_wildcard(self) -> bool:
        return not self.exact and "*" in self.text


@dataclass(frozen=True, slots=True)
class Words:
    """A text anywhere in the error, the reason, the type or the progress message."""

    text: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    key: str
    values: tuple[Pattern, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    key: str
    operator: Operator
    value: Decimal
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Duration:
    key: str
    operator: Operator
    value: timedelta
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Date:
    """A day or a second, as a span of time."""

    key: str
    operator: Operator
    start: datetime
    is_day: bool
    negated: bool = False

    _DAY: ClassVar[timedelta] = timedelta(days=1)
    _SECOND: ClassVar[timedelta] = timedelta(seconds=1)

    @property
    def end(self) -> datetime:
        """The first moment behind the span; the last day of all has none."""
        span = self._DAY if self.is_day else self._SECOND
        return min(self.start, datetime.max.replace(tzinfo=UTC) - span) + span


Term: TypeAlias = Words | Match | Number | Duration | Date
Search: TypeAlias = tuple[Term, ...]
