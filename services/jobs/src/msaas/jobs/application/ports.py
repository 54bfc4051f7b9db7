"""What the use cases need of the outside: the stores of intake and dispatch, and the broker."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from msaas.contracts import JobEnvelope, Message
from msaas.jobs.application.command_batch import CommandBatch, LockRequest
from msaas.jobs.application.events import JobSnapshot
from msaas.jobs.application.transactions import Store

IntakeStore = Store[LockRequest, CommandBatch, CommandBatch, Sequence[JobSnapshot]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchedJob:
    """An envelope to send, its secrets still sealed; its job has a fence and holds a slot.

    The row has the `entry_id` already: whether the envelope was sent is seen on the topic.
    """

    envelope: JobEnvelope
    traceparent: str | None
    run_at: datetime
    dispatched_at: datetime
    entry_id: str

    @property
    def key(self) -> tuple[UUID, UUID]:
        return self.envelope.job_id, self.envelope.fence


@dataclass(frozen=True, slots=True, kw_only=True)
class TickResult:
    """`is_busy`: another process was dispatching; `has_more`: there may be more to pick now.

    `leaves_waiting`: a job may wait for a slot or for capacity.
    """

    picked: Sequence[DispatchedJob] = ()
    is_busy: bool = False
    has_more: bool = False
    leaves_waiting: bool = True


class DispatchStore(Protocol):
    async def pick(self, now_ms: int) -> TickResult:
        """Pick jobs in the order of their entry ids, which begin with `now_ms`."""
        ...

    async def record_entries(self, entries: Sequence[tuple[UUID, UUID, str]]) -> frozenset[UUID]:
        """Write (job, fence, entry id) where the fence is still current; return those jobs."""
        ...


class UploadLinks(Protocol):
    """Signs links for the files that a run may upload."""

    async def sign_uploads(
        self, job_id: UUID, fence: UUID, names: Sequence[str], seconds: float
    ) -> Mapping[str, str]: ...


class Publisher(Protocol):
    async def publish(
        self,
        topic: str,
        message: Message,
        *,
        correlation_id: str,
        id: UUID | None = None,  # noqa: A002  # the header's own name
        traceparent: str | None = None,
    ) -> str | None:
        """Return the entry's id, or None where a full topic drops the message."""
        ...


class EntryQueue(Protocol):
    """The entries that are on topics, and the marks of cancelled jobs."""

    async def withdraw(self, topic: str, entry_ids: Sequence[str]) -> None: ...

    async def find_entries(self, topic: str, entry_ids: Sequence[str]) -> frozenset[str]: ...

    async def mark_cancelled(self, job_ids: Iterable[UUID], ttl: timedelta) -> None: ...


class WorkerQueue(EntryQueue, Protocol):
    """The way to the workers."""

    async def ping(self) -> int:
        """Return the time of Redis in milliseconds; raise where it does not answer."""
        ...

    async def send(
        self, topic: str, envelope: JobEnvelope, entry_id: str, traceparent: str | None = None
    ) -> bool:
        """Return False where a full topic drops the envelope.

        Raise EntryIdRefused where the topic has a later entry already.
        """
        ...

    async def choose_later_ids(self, topic: str, count: int) -> Sequence[str]:
        """Choose ids of entries that follow all that the topic has had."""
        ...

    async def report_undeliverable(self, job: DispatchedJob, error: str) -> None:
        """Report the run as failed for good, because its envelope cannot be built."""
        ...
