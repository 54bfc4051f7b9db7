"""What dead letters need of the record and of the wire."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from msaas.contracts import LetterClass, ListDeadLetters
from msaas.jobs.domain.dead_letters import DeadLetter
from msaas.jobs.domain.reports import RunKey


class DeadLetterStream(NamedTuple):
    """One stream of dead letters."""

    topic: str
    key: str
    quarantined: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDeadLetter:
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


class DeadLetterStreams(Protocol):
    """The streams of dead letters that we own."""

    def list_streams(self) -> Sequence[DeadLetterStream]: ...

    async def peek(
        self, stream: DeadLetterStream
    ) -> Sequence[tuple[str, Mapping[bytes, bytes]]]: ...

    async def remove(self, stream: DeadLetterStream, entry_ids: Sequence[str]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDeadLetter(DeadLetter):
    body: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDeadLetter(DeadLetter):
    user_id: UUID
    correlation_id: str
    has_failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayContext:
    """What a replay may touch; `again` are the letters that this very command has replayed."""

    budget: int
    dead_letters: Mapping[UUID, MessageDeadLetter | JobDeadLetter]
    already_replayed: frozenset[UUID]


class ReplayTransaction(Protocol):
    async def lock(self, replay_id: UUID, letter_ids: Sequence[UUID]) -> ReplayContext: ...

    async def store(
        self,
        replay_id: UUID,
        asked_by: UUID | None,
        *,
        replayed: Sequence[DeadLetter],
        waiting: Sequence[DeadLetter],
        refused: Sequence[UUID],
    ) -> None: ...


DeadLetterRow = dict[str, Any]


class ResolvedDeadLetters(NamedTuple):
    """`changed` are the letters that were not resolved before."""

    known: frozenset[UUID]
    newly_resolved: Sequence[tuple[str, str]]


class DeadLetterStore(Protocol):
    async def add(
        self, entries: Sequence[NewDeadLetter], find_delay: "FindReplayDelay"
    ) -> Sequence[tuple[str, LetterClass]]:
        """Keep what is not kept yet; answer topic and class of what was new."""
        ...

    def replay_transaction(self) -> AbstractAsyncContextManager[ReplayTransaction]:
        """One replay at a time in all the fleet: the limit is everybody's."""
        ...

    async def undo_replay(self, replay_id: UUID, letter_ids: Sequence[UUID]) -> None:
        """Count those as not replayed that could not be."""
        ...

    async def resolve(
        self, letter_ids: Sequence[UUID], reason: str, resolved_by: UUID
    ) -> ResolvedDeadLetters: ...

    async def list_due(self, paused: Sequence[str]) -> Sequence[UUID]:
        """Find wanted replays whose time has come, as many as may be done now."""
        ...

    async def list_dead_letters(self, query: ListDeadLetters) -> Sequence[DeadLetterRow]: ...

    async def find_dead_letter(self, letter_id: UUID) -> DeadLetterRow | None: ...

    async def count_open(self) -> Mapping[tuple[str, str], int]:
        """Count open letters of messages by topic and class."""
        ...


class FindReplayDelay(Protocol):
    def __call__(
        self, letter_class: LetterClass, replays: int, *, has_expired: bool
    ) -> timedelta | None: ...


class Pauses(Protocol):
    """Who is not to be given more for now: a breaker is open, or an operator holds it."""

    async def find_paused(self) -> frozenset[str]:
        """Name the topics."""
        ...


class TopicCapacity(Protocol):
    async def find_full(self, topics: Sequence[str]) -> frozenset[str]:
        """Name the topics that come close to their bound."""
        ...
