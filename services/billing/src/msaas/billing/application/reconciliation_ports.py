"""What reconciliation needs: the store of runs and figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msaas.billing.domain.reconciliation import (
    CountedPeriod,
    Figures,
    Finding,
    SentReport,
    Window,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`position` is the last account that is done; `is_running` until all are.

    `subjects` are those of the last page, whose counters jobs is asked for.
    """

    id: UUID
    position: UUID | None
    is_running: bool
    accounts: int = 0
    findings: int = 0
    subjects: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """The state of reconciliation for metrics: the last complete run, and what it left open."""

    running: UUID | None
    position: UUID | None
    last_started: datetime | None
    last_success: datetime | None
    open_findings: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    account_id: UUID
    user_id: UUID | None
    customer_id: str
    boundaries: Sequence[datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedUsage:
    """What jobs says of one counter."""

    subject_id: UUID
    period_start: datetime
    used: int
    last_seq: int
    head: str


class ReconciliationStore(Protocol):
    async def begin(self, run_id: UUID, trigger: str) -> Run:
        """Begin a run, or return the one that is running; one that has ended is not begun again."""
        ...

    async def list_customers(self, after: UUID | None, limit: int) -> Sequence[Customer]: ...

    async def weigh(
        self, customers: Sequence[Customer], windows: Mapping[UUID, Sequence[Window]]
    ) -> Mapping[tuple[UUID, Window], Figures]:
        """Sum up our own figures; those of Stripe are 0."""
        ...

    async def take_counts(self, counted: Sequence[CountedUsage]) -> None: ...

    async def list_counts(self, account_ids: Sequence[UUID]) -> Sequence[CountedPeriod]:
        """List the counters of the last two months whose last entry has come here too."""
        ...

    async def list_subjects(self, account_ids: Sequence[UUID]) -> Sequence[UUID]: ...

    async def list_sent(self, account_id: UUID, window: Window) -> Sequence[SentReport]:
        """List the reports that the summaries should have by now, each with its minute."""
        ...

    async def store(self, run: Run, position: UUID, done: int, findings: Sequence[Finding]) -> bool:
        """Store a page and what heals it; False where another process has done that page."""
        ...

    async def finish(self, run_id: UUID) -> None: ...

    async def summarize(self) -> RunSummary: ...

    async def list_findings(self, run_id: UUID) -> Sequence[Mapping[str, object]]: ...

    async def get_now(self) -> datetime: ...
