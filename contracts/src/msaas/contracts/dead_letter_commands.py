"""Operators' commands on dead letters: messages that could not be handled, and failed jobs."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from msaas.contracts.message import Message, OnFull
from msaas.contracts.text import Identifier, ShortText, Timestamp

DeadLetterIds = Annotated[tuple[UUID, ...], Field(min_length=1, max_length=100)]


class LetterClass(StrEnum):
    TRANSIENT = "transient"  # may well succeed when it is tried again
    POISON = "poison"  # nobody here can read it, or it can never succeed
    DOWNSTREAM = "downstream"  # something that its handler needs did not answer
    JOB = "job"  # a job that has failed: the row is the letter


class LetterState(StrEnum):
    OPEN = "open"
    REPLAYED = "replayed"  # sent again; should it die again, that is another letter
    RESOLVED = "resolved"  # an operator has said why nothing more is to be done


class ListDeadLetters(Message):
    """Changes nothing: answered with the newest, and before `before_at`, `before_id` the next."""

    on_full: ClassVar = OnFull.REFUSE

    state: LetterState = LetterState.OPEN
    letter_class: LetterClass | None = None
    topic: Identifier | None = None
    before_at: Timestamp | None = None
    before_id: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class ShowDeadLetter(Message):
    """Changes nothing: answered with all of it that holds no content of a user's."""

    on_full: ClassVar = OnFull.REFUSE

    letter_id: UUID


class ReplayDeadLetters(Message):
    """Said by an operator, or by the owner's timer (`asked_by` is None) of those that are due.

    Whoever says it mints `replay_id`, so that a repeat replays no more.
    """

    on_full: ClassVar = OnFull.REFUSE

    replay_id: UUID
    letters: DeadLetterIds
    asked_by: UUID | None = None


class ResolveDeadLetters(Message):
    on_full: ClassVar = OnFull.REFUSE

    letters: DeadLetterIds
    reason: Annotated[ShortText, Field(min_length=1)]
    asked_by: UUID
