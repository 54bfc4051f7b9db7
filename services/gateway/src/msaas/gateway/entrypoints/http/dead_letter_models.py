"""Request and response models of dead letters."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from msaas.contracts import LetterClass, LetterState
from msaas.gateway.entrypoints.http.models import RequestModel, ResponseModel

GivenDeadLetterIds = Annotated[
    list[Annotated[UUID, Field(strict=False)]], Field(min_length=1, max_length=100)
]
Reason = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]


class ReplayRequest(RequestModel):
    ids: GivenDeadLetterIds


class ResolveRequest(ReplayRequest):
    reason: Reason


class LetterSummary(ResponseModel):
    """`class` tells a message that could not be handled from a job that failed."""

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


class LetterPage(ResponseModel):
    items: list[LetterSummary]
    next_cursor: str | None


class LetterOutcome(ResponseModel):
    id: UUID
    ok: bool
    outcome: str | None = None
    because: str | None = None
    problem: dict[str, Any] | None = None


class LetterOutcomes(ResponseModel):
    items: list[LetterOutcome]
