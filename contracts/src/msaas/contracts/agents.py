"""Workflows of agents: their parameters and results, their commands, and the frames of a run."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import Field, model_validator

from msaas.contracts.message import Message, OnFull, ValueObject
from msaas.contracts.pages import PageUrl
from msaas.contracts.plans import Plan
from msaas.contracts.text import (
    NO_NUL,
    ErrorText,
    ForeignText,
    ForeignUrl,
    Identifier,
    JsonObject,
    ShortText,
    Timestamp,
)

MAX_SEEDS = 10
MAX_CITATIONS = 100
Instruction = Annotated[str, Field(pattern=NO_NUL, min_length=1, max_length=2_000)]
SmallCount = Annotated[int, Field(ge=0, le=2**31 - 1)]
MicroUsd = Annotated[int, Field(ge=0, le=2**53)]
"""Millionths of a US dollar."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
WorkflowType: TypeAlias = Literal["research", "extract", "monitor"]


class Ceilings(ValueObject):
    """Limits of one run; each can lower what the plan allows and never raises it."""

    steps: Annotated[int, Field(ge=1, le=1_000)] | None = None
    tokens: Annotated[int, Field(ge=1, le=10**9)] | None = None
    cost_micro_usd: MicroUsd | None = None
    seconds: Annotated[int, Field(ge=1, le=86_400)] | None = None


RUN_CEILINGS: Mapping[Plan, Ceilings] = MappingProxyType(
    {
        Plan.FREE: Ceilings(steps=20, tokens=60_000, cost_micro_usd=250_000, seconds=900),
        Plan.PRO: Ceilings(steps=100, tokens=600_000, cost_micro_usd=3_000_000, seconds=3_600),
        Plan.ENTERPRISE: Ceilings(
            steps=400, tokens=3_000_000, cost_micro_usd=20_000_000, seconds=14_400
        ),
    }
)
"""The most that one run of a plan may use."""


class WorkflowParams(ValueObject):
    """What all workflows share."""

    ceilings: Ceilings = Field(default_factory=Ceilings)


class ResearchParams(WorkflowParams):
    """Answer a question from pages, beginning at `seeds`; pages of other hosts are not opened."""

    question: Instruction
    seeds: Annotated[tuple[PageUrl, ...], Field(min_length=1, max_length=MAX_SEEDS)]
    max_pages: Annotated[int, Field(ge=1, le=50)] = 8


class ExtractParams(WorkflowParams):
    """Return values that fit a JSON Schema, each with the place on the page that it is from."""

    urls: Annotated[tuple[PageUrl, ...], Field(min_length=1, max_length=MAX_SEEDS)]
    instruction: Instruction
    output_schema: JsonObject


class MonitorParams(WorkflowParams):
    """Say what has changed on a page since the last run with the same name."""

    name: Identifier
    url: PageUrl
    instruction: Instruction | None = None


class Citation(ValueObject):
    """A passage of a page: characters `start` to `end` of the text with this hash."""

    url: ForeignUrl
    sha256: Sha256
    start: SmallCount
    end: SmallCount
    quote: ForeignText
    job_id: UUID | None = None


class Spend(ValueObject):
    """What a run has used; `repeated_calls` are those whose answer a crash has lost."""

    model_calls: SmallCount = 0
    repeated_calls: SmallCount = 0
    tokens_in: SmallCount = 0
    tokens_out: SmallCount = 0
    cost_micro_usd: MicroUsd = 0
    steps: SmallCount = 0
    child_jobs: SmallCount = 0


class WorkflowResult(ValueObject):
    """A partial result names its reason: a ceiling, or a part that was not available."""

    citations: Annotated[tuple[Citation, ...], Field(max_length=MAX_CITATIONS)] = ()
    spend: Spend = Field(default_factory=Spend)
    partial: bool = False
    partial_reason: Identifier | None = None
    provider: Identifier | None = None
    notes: Annotated[tuple[ShortText, ...], Field(max_length=20)] = ()


class ResearchResult(WorkflowResult):
    answer: ForeignText


class ExtractedValue(ValueObject):
    """The value at a JSON pointer; without a literal source it is None, for the reason given."""

    pointer: Annotated[str, Field(max_length=500)]
    source: Citation | None = None
    reason: Identifier | None = None


class ExtractResult(WorkflowResult):
    values: JsonObject
    evidence: Annotated[tuple[ExtractedValue, ...], Field(max_length=1_000)] = ()


class PageChange(ValueObject):
    kind: Literal["added", "removed", "changed"]
    before: ForeignText | None = None
    after: ForeignText | None = None


class MonitorResult(WorkflowResult):
    """`first_run`: there was nothing to compare with."""

    first_run: bool = False
    changed: bool = False
    summary: ForeignText = ""
    changes: Annotated[tuple[PageChange, ...], Field(max_length=200)] = ()


class ResumeRun(Message, on_full=OnFull.REFUSE):
    """Answer a question of a run; the first answer counts, and a repeat changes nothing."""

    run_id: UUID
    user_id: UUID
    approval_id: UUID
    answer: JsonObject


class ApproveStep(Message, on_full=OnFull.REFUSE):
    """Allow or refuse an action that a run has asked for; the first decision counts."""

    run_id: UUID
    user_id: UUID
    approval_id: UUID
    approved: bool
    note: ShortText | None = None


StepKind: TypeAlias = Literal[
    "plan", "browse", "read", "model", "tool", "memory", "policy", "ask", "answer"
]
StepState: TypeAlias = Literal["started", "waiting", "done", "failed", "blocked", "skipped"]


class StepFrame(ValueObject):
    """One step of a run as it is shown; `seq` grows within a run, a later frame replaces."""

    run_id: UUID
    seq: SmallCount
    kind: StepKind
    state: StepState
    title: ShortText
    detail: ErrorText | None = None
    child_job_id: UUID | None = None
    approval_id: UUID | None = None
    started_at: Timestamp
    finished_at: Timestamp | None = None
    model_calls: SmallCount = 0
    tokens: SmallCount = 0
    cost_micro_usd: MicroUsd = 0


class RunStep(Message, on_full=OnFull.SKIP):
    """A step began, waits or ended."""

    user_id: UUID
    step: StepFrame


class RunToken(Message, on_full=OnFull.DROP):
    """Text of an answer that is being written: its part from character `offset` on.

    It is shown only; the answer of `RunFinished` is the one that counts.
    """

    run_id: UUID
    user_id: UUID
    call: Identifier
    offset: SmallCount
    text: Annotated[str, Field(max_length=4_000)]


RunState: TypeAlias = Literal["running", "waiting", "succeeded", "failed", "cancelled"]


class RunFrame(ValueObject):
    """A run as it is shown in lists and at the head of its page."""

    id: UUID
    workflow_type: WorkflowType
    state: RunState
    title: ShortText
    spend: Spend
    ceilings: Ceilings
    partial: bool = False
    partial_reason: Identifier | None = None
    failure_reason: Identifier | None = None
    version: Annotated[int, Field(ge=1, le=2**63 - 1)]
    created_at: Timestamp
    updated_at: Timestamp
    finished_at: Timestamp | None = None

    @model_validator(mode="after")
    def _explains_a_partial_result(self) -> Self:
        if self.partial != (self.partial_reason is not None):
            raise ValueError("a partial result has a reason, and a whole one has none")
        return self


class RunChanged(Message, on_full=OnFull.SKIP):
    """A versioned snapshot of a run."""

    user_id: UUID
    run: RunFrame


class RunFinished(Message, on_full=OnFull.SKIP):
    """The last frame of a run."""

    user_id: UUID
    run: RunFrame
