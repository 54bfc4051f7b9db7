"""What a run has asked of models, tools and people, by the key of each effect."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msaas.agents.domain.models import Purpose
from msaas.contracts import StepKind, StepState
from msaas.kernel import derive_id

ApprovalKind = Literal["approval", "answer"]
ApprovalState = Literal["open", "approved", "denied", "answered", "expired"]


def derive_child_id(run_id: UUID, call_key: str) -> UUID:
    """Name the child job of a call: submitted again, it is the same job."""
    return derive_id(run_id, f"tool:{call_key}")


def derive_approval_id(run_id: UUID, call_key: str) -> UUID:
    return derive_id(run_id, f"approval:{call_key}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBound:
    """The most that a call of a model can use."""

    purpose: Purpose
    tokens: int
    cost_micro_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """The most that a call may use; `is_repeat`: an earlier attempt's answer was lost."""

    call_key: str
    attempt: int
    tokens: int
    cost_micro_usd: int
    is_repeat: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToolCall:
    call_key: str
    task_type: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredToolCall:
    """`outcome` is what JobOutcome said, or None while the job is open."""

    run_id: UUID
    user_id: UUID
    call_key: str
    child_job_id: UUID
    task_type: str
    arguments: Mapping[str, Any] | None
    outcome: Mapping[str, Any] | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApproval:
    call_key: str
    kind: ApprovalKind
    title: str
    text: str
    form: Mapping[str, Any]
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredApproval:
    id: UUID
    run_id: UUID
    user_id: UUID
    call_key: str
    kind: ApprovalKind
    title: str
    text: str
    form: Mapping[str, Any]
    state: ApprovalState
    answer: Mapping[str, Any] | None
    expires_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """A step as it is now; the store counts steps and gives each key its number."""

    key: str
    kind: StepKind
    state: StepState
    title: str
    detail: str | None = None
    child_job_id: UUID | None = None
    approval_id: UUID | None = None
    model_calls: int = 0
    tokens: int = 0
    cost_micro_usd: int = 0
