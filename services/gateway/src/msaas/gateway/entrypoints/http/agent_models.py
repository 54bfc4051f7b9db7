"""Request and response models of agent runs."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from pydantic import BeforeValidator, Field

from msaas.contracts import ShortText, StepKind, StepState, WorkflowType
from msaas.gateway.application.ports import Row
from msaas.gateway.entrypoints.http.models import ParsedJson, RequestModel, ResponseModel, to_model

ShownState = Literal["queued", "running", "waiting", "succeeded", "failed", "cancelled"]
ApprovalState = Literal["open", "approved", "denied", "answered", "expired"]
Count = Annotated[int, BeforeValidator(lambda value: value or 0)]


class Ceiling(ResponseModel):
    """`held` is what calls in flight may use at most; without a `limit` nothing is `left`."""

    limit: int | None
    spent: int
    held: int
    left: int | None


class RunCeilings(ResponseModel):
    steps: Ceiling
    tokens: Ceiling
    cost_micro_usd: Ceiling
    seconds: Ceiling


class RunSpend(ResponseModel):
    model_calls: Count
    repeated_calls: Count
    tokens_in: Count
    tokens_out: Count
    cost_micro_usd: Count
    steps: Count
    child_jobs: Count


class AgentRunSummary(ResponseModel):
    id: UUID
    workflow_type: WorkflowType
    state: ShownState
    title: str
    version: Count
    open_approvals: int
    spend: RunSpend
    ceilings: RunCeilings
    partial: bool
    partial_reason: str | None
    failure_reason: str | None
    cancel_requested: bool
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class AgentCitation(ResponseModel):
    url: str
    sha256: str
    start: int
    end: int
    quote: str
    job_id: UUID | None = None


class AgentRun(AgentRunSummary):
    """`result` is that of the task type; its citations stand beside it."""

    params: ParsedJson | None
    result: ParsedJson | None
    citations: list[AgentCitation]


class AgentRunPage(ResponseModel):
    items: list[AgentRunSummary]
    next_cursor: str | None


class RunCeilingsOfPlan(ResponseModel):
    steps: int
    tokens: int
    cost_micro_usd: int
    seconds: int


class AgentStep(ResponseModel):
    seq: int
    kind: StepKind
    state: StepState
    title: str
    detail: str | None
    child_job_id: UUID | None
    approval_id: UUID | None
    started_at: datetime
    finished_at: datetime | None
    model_calls: int
    tokens: int
    cost_micro_usd: int


class AgentSteps(ResponseModel):
    items: list[AgentStep]
    next_after: int | None


class AgentApproval(ResponseModel):
    """`form` is the JSON Schema of an answer."""

    id: UUID
    kind: Literal["approval", "answer"]
    title: str
    text: str
    form: dict[str, Any]
    state: ApprovalState
    answer: dict[str, Any] | None
    expires_at: datetime | None
    decided_at: datetime | None
    created_at: datetime


class AgentApprovals(ResponseModel):
    items: list[AgentApproval]


class Passage(ResponseModel):
    """Characters `start` to `end` of a text, and what stands around them."""

    sha256: str
    url: str
    title: str | None
    length: int
    start: int
    end: int
    before: str
    passage: str
    after: str


class ApprovalDecision(RequestModel):
    approval_id: Annotated[UUID, Field(strict=False)]
    approved: bool
    note: ShortText | None = None


class ApprovalAnswer(RequestModel):
    approval_id: Annotated[UUID, Field(strict=False)]
    answer: dict[str, Any]


class ApprovalOutcome(ResponseModel):
    id: UUID
    state: ApprovalState


def build_run_summary(row: Row) -> AgentRunSummary:
    summary: AgentRunSummary = to_model(AgentRunSummary, _add_members(row))
    return summary


def build_run(row: Row) -> AgentRun:
    result: Any = orjson.loads(row["result"]) if row["result"] else None
    citations: Any = result.get("citations", []) if result else []
    shown = {**_add_members(row), "result": result, "citations": citations}
    run: AgentRun = to_model(AgentRun, shown)
    return run


def _add_members(row: Row) -> Row:
    return {**row, "spend": dict(row), "ceilings": _build_ceilings(row)}


def _build_ceilings(row: Row) -> Mapping[str, Mapping[str, int | None]]:
    tokens = sum(row[name] or 0 for name in ("tokens_in", "tokens_out", "tokens_lost"))
    held = row["tokens_reserved"], row["cost_reserved_micro_usd"]
    return {
        "steps": _build_ceiling(row["max_steps"], row["steps"]),
        "tokens": _build_ceiling(row["max_tokens"], tokens, held[0]),
        "cost_micro_usd": _build_ceiling(row["max_cost_micro_usd"], row["cost_micro_usd"], held[1]),
        "seconds": _build_ceiling(row["max_seconds"], _count_seconds(row)),
    }


def _build_ceiling(
    limit: int | None, spent: int | None, held: int | None = 0
) -> Mapping[str, int | None]:
    """Build it without a limit for a run that no worker has begun."""
    spent, held = spent or 0, held or 0
    left = None if limit is None else max(0, limit - spent - held)
    return {"limit": limit, "spent": spent, "held": held, "left": left}


def _count_seconds(row: Row) -> int:
    """Count without the time in which the run waited for a person, which moves its deadline."""
    if row["deadline_at"] is None:
        return 0
    left = row["deadline_at"] - (row["finished_at"] or datetime.now(UTC))
    return min(row["max_seconds"], max(0, row["max_seconds"] - int(left.total_seconds())))
