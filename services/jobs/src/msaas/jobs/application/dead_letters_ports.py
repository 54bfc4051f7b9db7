"""Dead letters as the use cases read and change them, and the ports that they need."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from msaas.contracts import LetterClass, ListDeadLetters, ReplayDeadLetters
from msaas.jobs.application.transactions import Transaction
from msaas.jobs.domain.dead_letters import BlockReason, DeadLetter
from msaas.jobs.domain.errors import describe_error
from msaas.jobs.domain.reports import RunKey
from msaas.kernel import MsaasError

DeadLetterRow = dict[str, Any]


class DeadLetterStream(NamedTuple):
    topic: str
    key: str
    quarantined: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDeadLetter:
    """An entry of a dead letter stream, to be stored; `run` is that of a JobEnvelope."""

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


class AddedDeadLetter(NamedTuple):
    id: UUID
    topic: str
    letter_class: LetterClass
    replay_count: int


class ScheduledReplay(NamedTuple):
    dead_letter_id: UUID
    topic: str
    delay: timedelta


class DeadLetterStreams(Protocol):
    """The dead letter streams that this service owns."""

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
    """What a replay locked; `already_replayed` were replayed by the same command before."""

    budget: int
    dead_letters: Mapping[UUID, MessageDeadLetter | JobDeadLetter]
    already_replayed: frozenset[UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """What a command does with each dead letter that it names."""

    command: ReplayDeadLetters
    already_replayed: frozenset[UUID]
    replayed: dict[UUID, MessageDeadLetter | JobDeadLetter] = field(
        default_factory=dict[UUID, MessageDeadLetter | JobDeadLetter]
    )
    waiting: dict[UUID, tuple[DeadLetter, BlockReason]] = field(
        default_factory=dict[UUID, tuple[DeadLetter, BlockReason]]
    )
    rejected: dict[UUID, MsaasError] = field(default_factory=dict[UUID, MsaasError])

    def list_newly_replayed(self) -> Sequence[DeadLetter]:
        return [
            dead_letter
            for id_, dead_letter in self.replayed.items()
            if id_ not in self.already_replayed
        ]

    def describe_items(self) -> list[DeadLetterRow]:
        """Return the reply's items, without those for which there was nothing to do."""
        items = map(self._describe_item, dict.fromkeys(self.command.letters))
        return [item for item in items if item is not None]

    def _describe_item(self, dead_letter_id: UUID) -> DeadLetterRow | None:
        if refusal := self.rejected.get(dead_letter_id):
            return {"id": dead_letter_id, "ok": False, "problem": describe_error(refusal)}
        if dead_letter_id in self.replayed:
            return {"id": dead_letter_id, "ok": True, "outcome": "replayed"}
        if found := self.waiting.get(dead_letter_id):
            return {"id": dead_letter_id, "ok": True, "outcome": "waiting", "because": found[1]}
        return None


class ResolvedDeadLetters(NamedTuple):
    """`newly_resolved` holds topic and class of those that were not resolved before."""

    known: frozenset[UUID]
    newly_resolved: Sequence[tuple[str, str]]


CollectTransaction = Transaction[
    Sequence[NewDeadLetter], Sequence[AddedDeadLetter], Sequence[ScheduledReplay], None
]
"""Inserts the entries that are not stored yet, and schedules their replays."""

ReplayTransaction = Transaction[ReplayDeadLetters, ReplayContext, ReplayPlan, None]


class DeadLetterStore(Protocol):
    def begin_collection(self) -> AbstractAsyncContextManager[CollectTransaction]: ...

    def begin_replay(self) -> AbstractAsyncContextManager[ReplayTransaction]:
        """Let one replay run at a time: the limit holds for all processes together."""
        ...

    async def undo_replay(self, replay_id: UUID, dead_letter_ids: Sequence[UUID]) -> None:
        """Remove the replays of jobs that were then refused."""
        ...

    async def resolve(
        self, dead_letter_ids: Sequence[UUID], reason: str, resolved_by: UUID
    ) -> ResolvedDeadLetters: ...

    async def list_due(self, paused: Sequence[str]) -> Sequence[UUID]:
        """List the scheduled replays that are due, at most as many as the limit allows now."""
        ...

    async def list_dead_letters(self, query: ListDeadLetters) -> Sequence[DeadLetterRow]: ...

    async def find_dead_letter(self, dead_letter_id: UUID) -> DeadLetterRow | None: ...

    async def count_open(self) -> Mapping[tuple[str, str], int]:
        """Count the open dead letters of messages by topic and class."""
        ...


class Pauses(Protocol):
    async def find_paused(self) -> frozenset[str]:
        """Return the topics that are paused: a breaker is open, or an operator paused them."""
        ...


class TopicCapacity(Protocol):
    async def find_full(self, topics: Sequence[str]) -> frozenset[str]:
        """Return the topics that are close to their bound."""
        ...
