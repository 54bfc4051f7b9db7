"""What dead letters need of the record and of the wire."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from msaas.contracts import LetterClass, ListDeadLetters
from msaas.jobs.domain.letters import Letter
from msaas.jobs.domain.reports import RunKey


class Grave(NamedTuple):
    """One stream of dead letters."""

    topic: str
    key: str
    quarantined: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadEntry:
    """An entry of a grave as it is to be kept; `run` is whose envelope it was."""

    id: UUID
    topic: str
    entry_id: str
    letter_class: LetterClass
    error: str
    body: Mapping[str, str]
    message_id: UUID | None
    message_type: str | None
    correlation_id: str | None
    has_expired: bool
    run: RunKey | None


class Graves(Protocol):
    """The streams of dead letters that we own."""

    def list_graves(self) -> Sequence[Grave]: ...

    async def peek(self, grave: Grave) -> Sequence[tuple[str, Mapping[bytes, bytes]]]: ...

    async def remove(self, grave: Grave, entry_ids: Sequence[str]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLetter(Letter):
    body: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLetter(Letter):
    user_id: UUID
    correlation_id: str
    has_failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a replay may touch; `again` are the letters that this very command has replayed."""

    room: int
    letters: Mapping[UUID, MessageLetter | JobLetter]
    again: frozenset[UUID]


class ReplayTransaction(Protocol):
    async def lock(self, replay_id: UUID, letters: Sequence[UUID]) -> Desk: ...

    async def store(
        self,
        replay_id: UUID,
        asked_by: UUID | None,
        *,
        replayed: Sequence[Letter],
        waiting: Sequence[Letter],
        refused: Sequence[UUID],
    ) -> None: ...


Row = dict[str, Any]


class Resolved(NamedTuple):
    """`changed` are the letters that were not resolved before."""

    known: frozenset[UUID]
    changed: Sequence[tuple[str, str]]


class LetterStore(Protocol):
    async def keep(
        self, entries: Sequence[DeadEntry], waits: "Waits"
    ) -> Sequence[tuple[str, LetterClass]]:
        """Keep what is not kept yet; answer topic and class of what was new."""
        ...

    def replaying(self) -> AbstractAsyncContextManager[ReplayTransaction]:
        """One replay at a time in all the fleet: the limit is everybody's."""
        ...

    async def withdraw(self, replay_id: UUID, letters: Sequence[UUID]) -> None:
        """Count those as not replayed that could not be."""
        ...

    async def resolve(self, letters: Sequence[UUID], reason: str, by: UUID) -> Resolved: ...

    async def list_due(self, paused: Sequence[str]) -> Sequence[UUID]:
        """Find wanted replays whose time has come, as many as may be done now."""
        ...

    async def list_letters(self, wanted: ListDeadLetters) -> Sequence[Row]: ...

    async def find_letter(self, letter_id: UUID) -> Row | None: ...

    async def count_open(self) -> Mapping[tuple[str, str], int]:
        """Count open letters of messages by topic and class."""
        ...


class Waits(Protocol):
    def __call__(
        self, letter_class: LetterClass, replays: int, *, has_expired: bool
    ) -> timedelta | None: ...


class Pauses(Protocol):
    """Who is not to be given more for now: a breaker is open, or an operator holds it."""

    async def find_paused(self) -> frozenset[str]:
        """Name the topics."""
        ...


class Room(Protocol):
    async def find_full(self, topics: Sequence[str]) -> frozenset[str]:
        """Name the topics that come close to their bound."""
        ...
