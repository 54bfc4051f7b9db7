"""What persisting, sweeping and republishing need of the record and of the wire."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from msaas.contracts import Message
from msaas.jobs.application.snapshots import JobSnapshot
from msaas.jobs.domain.charging import Subject, UsageFact
from msaas.jobs.domain.job import Job, Run
from msaas.jobs.domain.noting import UsageNote
from msaas.jobs.domain.reports import RunKey, RunReport
from msaas.jobs.domain.settling import Verdict
from msaas.kernel import Overloaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """The rows that reports are about, locked; `subjects` by user, where a job may end."""

    now: datetime
    jobs: Mapping[UUID, Job]
    runs: Mapping[UUID, Mapping[UUID, Run]]
    subjects: Mapping[UUID, Subject]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    verdicts: Sequence[Verdict]
    facts: Sequence[UsageFact]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """`snapshots` are of every job as it is now; `facts` also those of earlier completions.

    `woken` counts the jobs that no longer wait, and have a run to come.
    """

    verdicts: Sequence[Verdict] = ()
    snapshots: Mapping[UUID, JobSnapshot] = field(default_factory=dict[UUID, JobSnapshot])
    facts: Sequence[UsageFact] = ()
    woken: int = 0


class ResultStore(Protocol):
    async def settle(
        self,
        reports: Mapping[RunKey, RunReport],
        decide: Callable[[Present], Settlement],
    ) -> Settled:
        """Lock, decide and apply in one transaction; `decide` may be asked again."""
        ...


class Withdrawal(Protocol):
    async def withdraw(self, topic: str, entry_ids: Sequence[str]) -> None: ...


class Overdue(StrEnum):
    LEASE = "lease"  # it ended, and nobody renewed it
    CANCEL = "cancel"  # the run was asked to stop, and has not said that it did
    ENTRY = "entry"  # handed out, and nobody has begun


@dataclass(frozen=True, slots=True, kw_only=True)
class OverdueRun:
    run: RunKey
    task_type: str
    correlation_id: str
    why: Overdue
    entry_id: str | None
    lease_until: datetime | None


class LeaseStore(Protocol):
    async def list_overdue(
        self, *, unheard: timedelta, uncancelled: timedelta
    ) -> Sequence[OverdueRun]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OverdueJob:
    """It waits, and its time has come."""

    job_id: UUID
    user_id: UUID
    correlation_id: str


class Presence(Protocol):
    async def find_on_wire(self, topic: str, entry_ids: Sequence[str]) -> frozenset[str]: ...


class Publisher(Protocol):
    async def publish(
        self,
        topic: str,
        message: Message,
        *,
        correlation_id: str,
        id: UUID | None = None,  # noqa: A002  # the header's own word
        traceparent: str | None = None,
    ) -> str | None: ...


class CancelMarks(Protocol):
    async def mark_cancelled(self, job_ids: Sequence[UUID], ttl: timedelta) -> None: ...


class RepublishUnderWay(Overloaded):
    default_message = "Another process publishes these facts again right now."


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The wire epoch that was last published to, and how long ago."""

    epoch: str
    age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCancel:
    run: RunKey
    correlation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedUsage:
    fact: UsageFact | UsageNote
    correlation_id: str


class Serving(Protocol):
    """One process at a time: what is still true and may be missing on the wire."""

    async def find_served(self) -> Served | None: ...

    async def list_usage(self, after: tuple[UUID, int], limit: int) -> Sequence[RecordedUsage]: ...

    async def list_open_cancels(self) -> Sequence[OpenCancel]: ...

    async def commit(self, epoch: str) -> None: ...


class FactStore(Protocol):
    def serving(self) -> AbstractAsyncContextManager[Serving]:
        """Raise RepublishUnderWay while another process is at it."""
        ...
