"""What the use cases need from outside: the record, and the wire to the workers."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from msaas.contracts import JobEnvelope, Plan, Source
from msaas.jobs.application.command_batch import CommandBatch, LockRequest
from msaas.jobs.application.snapshots import JobSnapshot


class IntakeTransaction(Protocol):
    async def lock(self, request: LockRequest) -> CommandBatch:
        """Mint and lock subjects, then jobs, each sorted by id."""
        ...

    async def store(self, batch: CommandBatch) -> Sequence[JobSnapshot]:
        """Write what changed; answer a snapshot of each new or changed row."""
        ...


class IntakeStore(Protocol):
    def transaction(self) -> AbstractAsyncContextManager[IntakeTransaction]:
        """Commit where the context ends well."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchedJob:
    """A job that was picked: it has a fence now, and holds a slot of its user."""

    job_id: UUID
    user_id: UUID
    task_type: str
    attempts: int
    max_attempts: int
    fence: UUID
    payload: dict[str, Any]
    correlation_id: str
    traceparent: str | None
    source: Source
    plan: Plan
    created_at: datetime
    run_at: datetime
    dispatched_at: datetime
    deadline_at: datetime | None
    parent_job_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TickResult:
    """`is_busy`: another process was dispatching; `has_more`: there may be more to pick now.

    `leaves_waiting`: somebody may wait for a slot or for room, so that news of one is worth a tick.
    """

    picked: Sequence[DispatchedJob] = ()
    is_busy: bool = False
    has_more: bool = False
    leaves_waiting: bool = True


class DispatchStore(Protocol):
    async def pick(self) -> TickResult: ...

    async def record_entries(self, entries: Sequence[tuple[UUID, UUID, str]]) -> frozenset[UUID]:
        """Note (job, fence, entry id) where the fence still stands; answer those jobs."""
        ...


class UploadLinks(Protocol):
    """Signs for the files that a run may leave behind."""

    async def sign_uploads(
        self, job_id: UUID, fence: UUID, names: Sequence[str], seconds: float
    ) -> Mapping[str, str]: ...


class WorkerQueue(Protocol):
    """The way to whoever runs jobs."""

    async def ping(self) -> None:
        """Raise where the wire does not answer."""
        ...

    async def send(
        self, topic: str, envelope: JobEnvelope, traceparent: str | None = None
    ) -> str | None:
        """Answer the entry's id, or None where a full topic lets it go."""
        ...

    async def report_undeliverable(self, job: DispatchedJob, error: str) -> None:
        """Report a run as failed for good, in place of the worker that it cannot be sent to."""
        ...

    async def withdraw(self, topic: str, entry_ids: Sequence[str]) -> None: ...

    async def mark_cancelled(self, job_ids: Iterable[UUID], ttl: timedelta) -> None: ...
