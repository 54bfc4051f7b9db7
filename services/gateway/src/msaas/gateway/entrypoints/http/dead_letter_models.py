"""The shapes of dead letters, as operators ask for them and are told of them."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from msaas.contracts import LetterClass, LetterState

DeadLetterIds = Annotated[
    list[Annotated[UUID, Field(strict=False)]], Field(min_length=1, max_length=100)
]
Reason = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]


class ReplayRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    ids: DeadLetterIds


class ResolveRequest(ReplayRequest):
    reason: Reason


class LetterSummary(BaseModel):
    """A message that died, or a job that failed (`class` says so)."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    letter_class: Annotated[LetterClass, Field(alias="class")]
    topic: str
    name: str
    error: str
    correlation_id: str | None
    died_at: datetime
    replay_count: int
    replay_due_at: datetime | None
    state: LetterState
    resolved_at: datetime | None
    resolved_by: UUID | None
    reason: str | None


class Letter(LetterSummary):
    body: dict[str, Any]


class LetterPage(BaseModel):
    items: list[LetterSummary]
    next_cursor: str | None


class LetterOutcome(BaseModel):
    id: UUID
    ok: bool
    outcome: str | None = None
    because: str | None = None
    problem: dict[str, Any] | None = None


class LetterOutcomes(BaseModel):
    items: list[LetterOutcome]
