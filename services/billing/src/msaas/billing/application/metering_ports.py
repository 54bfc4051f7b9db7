"""What metering needs: the store of usage and reports, and the meter."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from msaas.billing.domain.corrections import Charge, Correction, InvoicedUsage
from msaas.billing.domain.metering import BilledPeriod, ReportDraft
from msaas.billing.domain.usage import CorrectionMeans, MeterReport, ReportState, UsageEvent

PlanReports = Callable[[Sequence[UsageEvent], BilledPeriod, datetime], Iterator[ReportDraft]]
DecideMeans = Callable[[Charge, datetime], CorrectionMeans | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Entries of a subject that have not come: `last_seq` is None where the end is not known."""

    subject_id: UUID
    first_seq: int
    last_seq: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertainty:
    """The units of the other reports in a window: those that arrived, and those that may have."""

    known: int
    others: int


class UsageStore(Protocol):
    async def take(self, events: Sequence[UsageEvent]) -> int:
        """Store entries, follow their chains, and count the chains that do not go on.

        Raise UsageRefused where an entry contradicts a stored one.
        """
        ...

    async def claim_gaps(self, age: timedelta, pause: timedelta, limit: int) -> Sequence[Gap]: ...

    async def list_due(self, limit: int) -> Sequence[UUID]:
        """List the subjects with usage, reports or corrections to go on with."""
        ...

    async def count_unreported(self) -> tuple[int, float]:
        """Count the units that are not reported yet, and the age of the oldest in seconds."""
        ...


class ReportStore(Protocol):
    async def assign(self, subject_id: UUID, plan: PlanReports) -> int:
        """Commit the reports of all unreported usage; none while an earlier one is open."""
        ...

    async def list_open(self, subject_id: UUID) -> Sequence[MeterReport]: ...

    async def begin_attempt(self, report_id: UUID, window: timedelta) -> MeterReport | None:
        """Commit that a report is sent now; None where another process sends it.

        A report that was first sent before `window` becomes ambiguous instead.
        """
        ...

    async def restart(self, report_id: UUID) -> MeterReport | None:
        """Commit that an ambiguous report, which never arrived, is sent anew."""
        ...

    async def finish(
        self, report_id: UUID, state: ReportState, error: str | None = None
    ) -> None: ...

    async def postpone(self, report_id: UUID, delay: float, error: str) -> None: ...

    async def weigh_window(
        self, report: MeterReport, start: datetime, end: datetime
    ) -> Uncertainty: ...

    async def take_unpublished(self, subject_id: UUID, *, repeats: bool) -> Sequence[MeterReport]:
        """Mark and return reports; with `repeats` those of the last day are returned too."""
        ...

    async def get_now(self) -> datetime: ...


class Meter(Protocol):
    """Stripe's meter; every method raises StripeUnavailable or StripeRefused."""

    async def report(self, report: MeterReport) -> None:
        """Send a report; one that has arrived before is no error."""
        ...

    async def read_sum(self, customer_id: str, start: datetime, end: datetime) -> int: ...

    async def cancel(self, identifier: str) -> None:
        """Take a report back; one that is taken back already is no error."""
        ...


class CorrectionStore(Protocol):
    async def record(self, job_id: UUID, reason: str, decide: DecideMeans) -> Correction:
        """Store the reversal of a job's charge, or find the one that is stored.

        Raise UsageNotFound or CorrectionMustWait.
        """
        ...

    async def list_open(self, subject_id: UUID) -> Sequence[Correction]: ...

    async def list_applied(self, subject_id: UUID) -> Sequence[Correction]:
        """List the corrections that were applied within a day."""
        ...

    async def begin(self, correction_id: UUID) -> None: ...

    async def replace_report(self, correction: Correction) -> None:
        """Mark the report as taken back, with a report of its other units, in one transaction."""
        ...

    async def find_invoiced(self, correction: Correction) -> InvoicedUsage | None: ...

    async def finish_credit(
        self, correction: Correction, usage: InvoicedUsage, amount: int, note_id: str | None
    ) -> None: ...

    async def reject(self, correction: Correction, error: str) -> None: ...


class Credits(Protocol):
    """Stripe's credit notes; every method raises StripeUnavailable or StripeRefused."""

    async def credit(self, correction_id: UUID, usage: InvoicedUsage, amount: int) -> str:
        """Credit a part of an invoice's line once, and return the note's id."""
        ...
