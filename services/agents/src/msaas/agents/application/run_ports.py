"""What running a workflow needs of other services and of this process."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from msaas.agents.application.ports import Embedder, Memory, ModelGateway, Run, ToolPolicy
from msaas.agents.application.stores import (
    ApprovalStore,
    CallLedger,
    CheckpointStore,
    DocumentStore,
    RunStore,
    StepStore,
    ToolCallStore,
)
from msaas.agents.domain.effects import StoredToolCall


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why jobs does not accept a child: `code` is that of the problem."""

    code: str
    message: str


class ChildJobs(Protocol):
    async def submit(
        self, run: Run, calls: Sequence[StoredToolCall], *, deadline: datetime, correlation_id: str
    ) -> Mapping[UUID, Refusal]:
        """Submit each call as a job, again if need be; return those that are refused.

        The end of one that has ended is published again.
        """
        ...

    async def cancel(self, run: Run, job_ids: Sequence[UUID], *, correlation_id: str) -> None: ...


class JobWaker(Protocol):
    async def wake(self, run_id: UUID, user_id: UUID, *, answered: bool) -> None:
        """Wake a waiting job that was answered; ask for the end of one that has ended."""
        ...


class TokenStream(Protocol):
    async def send(self, run: Run, call: str, offset: int, text: str) -> None:
        """Show text of an answer that is being written; it may be lost."""
        ...


class Flags(Protocol):
    def find_disabled(self, names: Collection[str]) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    runs: RunStore
    calls: CallLedger
    tools: ToolCallStore
    approvals: ApprovalStore
    steps: StepStore
    documents: DocumentStore
    checkpoints: CheckpointStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What all runs of a process share; `policy` is built for each run."""

    models: ModelGateway
    embedder: Embedder
    memory: Memory
    policy: Callable[[Run], ToolPolicy]
    children: ChildJobs
    tokens: TokenStream
    flags: Flags
    frames_ready: Callable[[], None]


Outcome = Mapping[str, Any]
"""How a child has ended, as the stores keep it: status, result, failure_reason, last_error."""
