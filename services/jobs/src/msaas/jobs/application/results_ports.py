"""What persisting, sweeping and republishing need of the database."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from msaas.jobs.application.child_outcomes import EndedChild
from msaas.jobs.application.events import JobSnapshot
from msaas.jobs.application.transactions import Store
from msaas.jobs.domain.charging import LedgerHead, UsageCharge
from msaas.jobs.domain.job import Job, Run
from msaas.jobs.domain.ledgers import LinkedEntry
from msaas.jobs.domain.reports import RunKey, RunReport
from msaas.jobs.domain.settlement import Transition
from msaas.kernel import Overloaded


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedState:
    """The locked rows that the reports are about; `ledger_heads` by user, where a job may end."""

    now: datetime
    jobs: Mapping[UUID, Job]
    runs: Mapping[UUID, Mapping[UUID, Run]]
    ledger_heads: Mapping[UUID, LedgerHead]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    transitions: Sequence[Transition] = ()
    charges: Sequence[UsageCharge] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementResult:
    """`snapshots` are of every job as it is now; `charges` include those of earlier completions.

    `woken_count` counts the jobs that no longer wait and will run again; `ended_children` are also
    those that had ended before.
    """

    snapshots: Mapping[UUID, JobSnapshot] = field(default_factory=dict[UUID, JobSnapshot])
    charges: Sequence[UsageCharge] = ()
    woken_count: int = 0
    ended_children: Sequence[EndedChild] = ()


ResultStore = Store[Mapping[RunKey, RunReport], LockedState, Settlement, SettlementResult]


class OverdueReason(StrEnum):
    LEASE = "lease"  # it ended and was not renewed
    CANCEL = "cancel"  # the run was asked to stop and has not reported that it did
    ENTRY = "entry"  # dispatched, and no worker has begun it


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
    """A waiting job whose time has come."""

    job_id: UUID
    user_id: UUID
    correlation_id: str


UsageCursor = tuple[UUID, int]
"""A subject and a position in its chain."""


class RepublishInProgress(Overloaded):
    default_message = "Another process is already republishing these events."


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRepublish:
    """The broker epoch of the last republication, how long ago it was, and how far it came.

    `cursor` is the last usage event that was published; None if all were.
    """

    epoch: str
    age: timedelta
    cursor: UsageCursor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCancel:
    run: RunKey
    correlation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageToRepublish:
    entry: UsageCharge | LinkedEntry
    correlation_id: str


class RepublishTransaction(Protocol):
    async def lock(self) -> LastRepublish | None:
        """Keep other processes from republishing; raise RepublishInProgress if one does."""
        ...

    async def list_usage(self, after: UsageCursor, limit: int) -> Sequence[UsageToRepublish]: ...

    async def list_open_cancels(self) -> Sequence[OpenCancel]: ...

    async def list_ended_children(self, limit: int) -> Sequence[EndedChild]:
        """List the ended children of jobs that go on."""
        ...

    async def store(self, epoch: str, cursor: UsageCursor | None) -> None: ...


class RepublishStore(Protocol):
    def begin(self) -> AbstractAsyncContextManager[RepublishTransaction]: ...
