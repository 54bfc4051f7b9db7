"""Operators' commands on dead letters: messages that could not be handled, and failed jobs."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from msaas.contracts.message import Message, OnFull
from msaas.contracts.text import Identifier, ShortText, Timestamp

DeadLetterIds = Annotated[tuple[UUID, ...], Field(min_length=1, max_length=100)]


class LetterClass(StrEnum):
    TRANSIENT = "transient"  # may succeed when it is retried
    POISON = "poison"  # cannot be decoded, or can never succeed
    DOWNSTREAM = "downstream"  # a dependency of its handler was unavailable
    JOB = "job"  # a failed job: its database row is the dead letter


class LetterState(StrEnum):
    OPEN = "open"
    REPLAYED = "replayed"  # sent again; if it fails again, that is a new dead letter
    RESOLVED = "resolved"  # an operator closed it, with a reason


class ListDeadLetters(Message, on_full=OnFull.REFUSE):
    """Lists dead letters, newest first; `before_at` and `before_id` select the next page."""

    state: LetterState = LetterState.OPEN
    letter_class: LetterClass | None = None
    topic: Identifier | None = None
    before_at: Timestamp | None = None
    before_id: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class ShowDeadLetter(Message, on_full=OnFull.REFUSE):
    """Returns one dead letter without the content of a user's job."""

    letter_id: UUID


class ReplayDeadLetters(Message, on_full=OnFull.REFUSE):
    """Sent by an operator, or by the owner's timer for those that are due (`asked_by` is None).

    The sender creates `replay_id`, so that a repeated command replays nothing twice.
    """

    replay_id: UUID
    letters: DeadLetterIds
    asked_by: UUID | None = None


class ResolveDeadLetters(Message, on_full=OnFull.REFUSE):
    letters: DeadLetterIds
    reason: Annotated[ShortText, Field(min_length=1)]
    asked_by: UUID
