"""What the service keeps: runs, what they spend, their effects, documents and memories.

Whatever takes a fence raises StaleRun, and changes no row, unless that fence holds the run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from msaas.agents.domain.effects import (
    ApprovalState,
    CallBound,
    NewApproval,
    NewToolCall,
    Reservation,
    StepRecord,
    StoredApproval,
    StoredToolCall,
)
from msaas.agents.domain.evidence import Document, Passage
from msaas.agents.domain.models import ModelAnswer, TokenUsage
from msaas.agents.domain.runs import Ending, NewRun, StoredRun
from msaas.contracts import Message, StepFrame


class RunStore(Protocol):
    """Each change also leaves a frame, RunChanged or RunFinished, for the stream."""

    async def begin(self, new: NewRun, fence: UUID) -> StoredRun:
        """Begin or continue a run; what it began with stays. One that has ended is returned."""
        ...

    async def suspend(self, run_id: UUID, fence: UUID, *, for_person: bool = False) -> StoredRun:
        """Let the run wait; its deadline moves by the time that it waits for a person."""
        ...

    async def finish(self, run_id: UUID, fence: UUID | None, ending: Ending) -> StoredRun:
        """End the run; without a fence because jobs says that the job has ended.

        Calls that are out count as spent, open questions expire, and of the checkpoints only the
        last stays.
        """
        ...

    async def find(self, run_id: UUID) -> StoredRun | None: ...

    async def list_open(self, after: UUID | None, limit: int) -> Sequence[StoredRun]: ...


class CallLedger(Protocol):
    """The memo of model calls, and what they cost: spent and reserved never pass a ceiling."""

    async def reserve(
        self, run_id: UUID, fence: UUID, call_key: str, bound: CallBound
    ) -> ModelAnswer | Reservation:
        """Return the answer if there is one; otherwise reserve the most that a call can use.

        Raises CeilingReached. A reservation that is open is of a process that died: it is lost,
        counts as spent, and the call is reserved anew.
        """
        ...

    async def settle(self, run_id: UUID, fence: UUID, call_key: str, answer: ModelAnswer) -> None:
        """Store the answer and what it cost, at most what was reserved, and release the rest."""
        ...

    async def fail(
        self, run_id: UUID, fence: UUID, call_key: str, usage: TokenUsage, cost: int
    ) -> None:
        """Store that the call has no answer and what it may have cost; release the rest."""
        ...


class ToolCallStore(Protocol):
    async def open(
        self, run_id: UUID, fence: UUID, calls: Sequence[NewToolCall]
    ) -> Sequence[StoredToolCall]:
        """Store the calls that are new, and return all of them as they are stored, in order."""
        ...

    async def store_outcome(
        self, child_job_id: UUID, user_id: UUID, outcome: Mapping[str, Any]
    ) -> UUID | None:
        """Store how a child has ended, the first time; return the run, or None if unknown."""
        ...

    async def list_of(self, run_id: UUID) -> Sequence[StoredToolCall]: ...


class ApprovalStore(Protocol):
    async def open(self, run_id: UUID, fence: UUID, new: NewApproval) -> StoredApproval:
        """Ask once; return the question as it is now, expired if its time is over."""
        ...

    async def decide(
        self,
        approval_id: UUID,
        user_id: UUID,
        state: ApprovalState,
        answer: Mapping[str, Any] | None = None,
    ) -> StoredApproval:
        """Decide an open question; the first decision counts, and a repeat returns it.

        Raises ApprovalNotFound or ApprovalClosed.
        """
        ...

    async def find(self, approval_id: UUID, user_id: UUID) -> StoredApproval | None: ...

    async def list_decided(self, limit: int) -> Sequence[StoredApproval]:
        """List what was decided while its run waited for a person, as it still does."""
        ...


class StepStore(Protocol):
    async def put(self, run_id: UUID, fence: UUID, step: StepRecord) -> StepFrame:
        """Store a step and its frame; a new key raises CeilingReached where steps are used up."""
        ...

    async def list_of(self, run_id: UUID) -> Sequence[StepFrame]: ...


@dataclass(frozen=True, slots=True)
class StoredFrame:
    id: int
    run_id: UUID
    message: Message


class FrameOutbox(Protocol):
    """Frames wait here from the commit of what they show until they are published."""

    async def claim(self, limit: int) -> Sequence[StoredFrame]:
        """Claim the oldest frames for ten seconds; frames of a run go to one claimer at a time."""
        ...

    async def delete(self, frames: Sequence[StoredFrame]) -> None:
        """Delete what was published, and give the runs of these frames free."""
        ...


class DocumentStore(Protocol):
    async def store(self, user_id: UUID, document: Document) -> None: ...

    async def find(self, user_id: UUID, digest: str) -> Document | None: ...

    async def store_sighting(self, run_id: UUID, fence: UUID, name: str, digest: str) -> None:
        """Note which document the run has seen under a name."""
        ...

    async def find_sighting(self, user_id: UUID, run_id: UUID, name: str) -> Document | None:
        """Return what the user's last run before this one has seen under the name."""
        ...


class MemoryTexts(Protocol):
    """The texts behind the vectors: one row for each text of a user."""

    async def add(
        self, user_id: UUID, passages: Sequence[Passage]
    ) -> Sequence[tuple[UUID, Passage]]:
        """Store what is new, and return the id of each passage, without repetitions."""
        ...

    async def load(self, user_id: UUID, ids: Sequence[UUID]) -> Mapping[UUID, Passage]:
        """Return those that are still there, and keep them for longer."""
        ...

    async def forget(self, user_id: UUID) -> int:
        """Delete all memories and documents of the user."""
        ...


class CheckpointStore(Protocol):
    def build_saver(self, run: StoredRun, fence: UUID) -> Any:
        """Return langgraph's BaseCheckpointSaver for the threads of one run."""
        ...
