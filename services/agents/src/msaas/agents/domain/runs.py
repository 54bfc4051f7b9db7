"""What a run is, and how it may change: one worker holds it, and the newest fence wins."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal
from uuid import UUID

from msaas.agents.domain.ceilings import RunCeilings
from msaas.agents.domain.errors import StaleRun
from msaas.contracts import Plan, RunState, Spend, WorkflowType

EndState = Literal["succeeded", "failed", "cancelled"]

NEXT_STATES: Final[Mapping[RunState, frozenset[RunState]]] = MappingProxyType(
    {
        "running": frozenset({"waiting", "succeeded", "failed", "cancelled"}),
        "waiting": frozenset({"running", "failed", "cancelled"}),
        "succeeded": frozenset(),
        "failed": frozenset(),
        "cancelled": frozenset(),
    }
)


@dataclass(frozen=True, slots=True)
class RunHead:
    """Who holds a run: fences are UUIDv7, so a later one is larger."""

    state: RunState
    fence: UUID

    @property
    def has_ended(self) -> bool:
        return not NEXT_STATES[self.state]

    def take(self, fence: UUID) -> "RunHead":
        """Let this fence hold the run; one that has ended stays as it is, to be reported again."""
        if fence < self.fence:
            raise StaleRun
        return self if self.has_ended else replace(self, state="running", fence=fence)

    def check_holder(self, fence: UUID) -> None:
        if self.has_ended or fence != self.fence:
            raise StaleRun

    def suspend(self, fence: UUID) -> "RunHead":
        self.check_holder(fence)
        return replace(self, state="waiting")

    def end(self, fence: UUID | None, state: EndState) -> "RunHead":
        """End the run; without a fence on the word of jobs, whoever holds it."""
        if fence is not None:
            self.check_holder(fence)
        held_waiting = fence is not None and self.state == "waiting"
        if held_waiting or state not in NEXT_STATES[self.state]:
            raise StaleRun
        return replace(self, state=state)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    run_id: UUID
    user_id: UUID
    workflow_type: WorkflowType
    plan: Plan
    title: str
    params: Mapping[str, Any]
    graph_fingerprint: str
    ceilings: RunCeilings


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ends; a partial answer names its reason."""

    state: EndState
    answer: Mapping[str, Any] | None = None
    partial_reason: str | None = None
    failure_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A row of `agents.runs`; `tokens_lost` are of calls whose answers a crash has lost."""

    run_id: UUID
    user_id: UUID
    workflow_type: WorkflowType
    plan: Plan
    state: RunState
    title: str
    params: Mapping[str, Any] | None
    graph_fingerprint: str
    ceilings: RunCeilings
    spend: Spend
    tokens_lost: int
    tokens_reserved: int
    cost_reserved_micro_usd: int
    partial_reason: str | None
    failure_reason: str | None
    answer: Mapping[str, Any] | None
    version: int
    started_at: datetime
    deadline_at: datetime
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None

    @property
    def has_ended(self) -> bool:
        return self.finished_at is not None

    @property
    def thread_id(self) -> str:
        """Name the thread of checkpoints: another graph begins another thread."""
        return f"{self.run_id}:{self.graph_fingerprint}"

    @property
    def tokens_left(self) -> int:
        spent = self.spend.tokens_in + self.spend.tokens_out + self.tokens_lost
        return self.ceilings.tokens - spent - self.tokens_reserved

    @property
    def cost_left_micro_usd(self) -> int:
        spent = self.spend.cost_micro_usd + self.cost_reserved_micro_usd
        return self.ceilings.cost_micro_usd - spent
