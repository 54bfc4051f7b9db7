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
from msaas.jobs.domain.charging import LedgerHead, UsageCharge
from msaas.jobs.domain.job import Job, Run
from msaas.jobs.domain.ledger_entries import LinkedEntry
from msaas.jobs.domain.reports import RunKey, RunReport
from msaas.jobs.domain.settlement import Transition
from msaas.kernel import Overloaded


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedState:
    """The rows that reports are about, locked; `subjects` by user, where a job may end."""

    now: datetime
    jobs: Mapping[UUID, Job]
    runs: Mapping[UUID, Mapping[UUID, Run]]
    ledger_heads: Mapping[UUID, LedgerHead]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    transitions: Sequence[Transition]
    charges: Sequence[UsageCharge]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementResult:
    """`snapshots` are of every job as it is now; `facts` also those of earlier completions.

    `woken` counts the jobs that no longer wait, and have a run to come.
    """

    transitions: Sequence[Transition] = ()
    snapshots: Mapping[UUID, JobSnapshot] = field(default_factory=dict[UUID, JobSnapshot])
    charges: Sequence[UsageCharge] = ()
    woken_count: int = 0


class ResultStore(Protocol):
    async def settle(
        self,
        reports: Mapping[RunKey, RunReport],
        decide: Callable[[LockedState], Settlement],
    ) -> SettlementResult:
        """Lock, decide and apply in one transaction; `decide` may be asked again."""
        ...


class EntryWithdrawer(Protocol):
    async def withdraw(self, topic: str, entry_ids: Sequence[str]) -> None: ...


class OverdueReason(StrEnum):
    LEASE = "lease"  # it ended, and nobody renewed it
    CANCEL = "cancel"  # the run was asked to stop, and has not said that it did
    ENTRY = "entry"  # handed out, and nobody has begun


@dataclass(frozen=True, slots=True, kw_only=True)
class OverdueRun:
    run: RunKey
    task_type: str
    correlation_id: str
    reason: OverdueReason
    entry_id: str | None
    lease_until: datetime | None


class LeaseStore(Protocol):
    async def list_overdue(
        self, *, start_timeout: timedelta, cancel_timeout: timedelta
    ) -> Sequence[OverdueRun]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DueJob:
    """It waits, and its time has come."""

    job_id: UUID
    user_id: UUID
    correlation_id: str


class EntryLookup(Protocol):
    async def find_entries(self, topic: str, entry_ids: Sequence[str]) -> frozenset[str]: ...


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


class CancelMarker(Protocol):
    async def mark_cancelled(self, job_ids: Sequence[UUID], ttl: timedelta) -> None: ...


class RepublishInProgress(Overloaded):
    default_message = "Another process is already republishing these events."


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRepublish:
    """The wire epoch that was last published to, and how long ago."""

    epoch: str
    age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCancel:
    run: RunKey
    correlation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageToRepublish:
    entry: UsageCharge | LinkedEntry
    correlation_id: str


class RepublishTransaction(Protocol):
    """One process at a time: what is still true and may be missing on the wire."""

    async def find_last(self) -> LastRepublish | None: ...

    async def list_usage(
        self, after: tuple[UUID, int], limit: int
    ) -> Sequence[UsageToRepublish]: ...

    async def list_open_cancels(self) -> Sequence[OpenCancel]: ...

    async def commit(self, epoch: str) -> None: ...


class RepublishStore(Protocol):
    def transaction(self) -> AbstractAsyncContextManager[RepublishTransaction]:
        """Raise RepublishUnderWay while another process is at it."""
        ...
