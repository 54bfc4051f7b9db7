"""A subject whose usage a test records, reports and compares with what the stand-in has."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from services.billing.tests.support import Billing

from msaas.billing.application.correct_usage import CorrectUsage
from msaas.billing.application.report_usage import ReportUsage
from msaas.billing.application.take_usage import TakeUsage
from msaas.billing.domain.usage import UsageEvent
from msaas.contracts import USAGE_GENESIS, Plan, usage_hash
from msaas.telemetry import Metrics


@dataclass(kw_only=True)
class Ledger:
    """What jobs would record for a user: entries that are linked by their hashes."""

    user_id: UUID | None
    subject_id: UUID = field(default_factory=uuid4)
    events: list[UsageEvent] = field(default_factory=list[UsageEvent])

    def add(
        self,
        *,
        plan: Plan = Plan.PRO,
        at: datetime | None = None,
        quantity: int = 1,
        kind: str = "job_completed",
    ) -> UsageEvent:
        at = at or datetime.now(UTC)
        job_id = uuid4() if kind == "job_completed" else None
        previous = self.events[-1].hash if self.events else USAGE_GENESIS
        seq = len(self.events) + 1
        event = UsageEvent(
            subject_id=self.subject_id,
            seq=seq,
            kind=kind,
            job_id=job_id,
            quantity=quantity,
            plan=plan if job_id else None,
            occurred_at=at,
            period_start=at.replace(day=1, hour=0, minute=0, second=0, microsecond=0),
            prev_hash=previous,
            hash=usage_hash(self.subject_id, seq, job_id or UUID(int=0), quantity, at, previous),
            user_id=self.user_id,
        )
        self.events.append(event)
        return event

    def add_many(
        self, count: int, *, plan: Plan = Plan.PRO, at: datetime | None = None
    ) -> list[UsageEvent]:
        return [self.add(plan=plan, at=at) for _ in range(count)]


@dataclass(frozen=True, kw_only=True)
class Metering:
    """The use cases of metering on a real database, with Stripe's own client on the stand-in."""

    billing: Billing
    take: TakeUsage
    report: ReportUsage
    correct: CorrectUsage

    async def open_ledger(self, plan: Plan = Plan.PRO) -> Ledger:
        user = await self.billing.add_user()
        await self.billing.subscribe(user, plan)
        return Ledger(user_id=user)

    async def go_on(self, ledger: Ledger) -> None:
        await self.correct(ledger.subject_id)
        await self.report(ledger.subject_id)

    async def take_and_report(self, ledger: Ledger, events: Sequence[UsageEvent]) -> None:
        await self.take(events)
        await self.go_on(ledger)

    async def list_reports(self, ledger: Ledger) -> list[Any]:
        return await self.billing.rows.fetch(
            "SELECT * FROM billing.meter_reports WHERE subject_id = $1"
            " ORDER BY created_at, first_seq",
            ledger.subject_id,
        )

    async def count_states(self, ledger: Ledger) -> dict[str, int]:
        """Return the units of each state of a report."""
        counted: dict[str, int] = {}
        for row in await self.list_reports(ledger):
            counted[row["state"]] = counted.get(row["state"], 0) + row["quantity"]
        return counted

    async def read_stripe(self, ledger: Ledger) -> int:
        """Return the units that the stand-in has for the customer, of any time."""
        account = await self.billing.get_account(ledger.user_id or UUID(int=0))
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return await self.billing.parts.metering.meter.read_sum(
            str(account.customer_id),
            midnight - timedelta(days=60),
            midnight + timedelta(days=800),
        )

    async def shift_reports(self, ledger: Ledger, **moves: timedelta) -> None:
        """Move times of a subject's reports into the past, as if they had passed."""
        for column, move in moves.items():
            await self.billing.rows.execute(
                f"UPDATE billing.meter_reports SET {column} = {column} - $2::interval"
                " WHERE subject_id = $1",
                *(ledger.subject_id, move),
            )

    async def make_due(self, ledger: Ledger) -> None:
        await self.billing.rows.execute(
            "UPDATE billing.meter_reports SET next_attempt_at = now() WHERE subject_id = $1",
            ledger.subject_id,
        )


def build_metering(billing: Billing) -> Metering:
    parts, metrics = billing.parts.metering, Metrics("billing", "test")
    return Metering(
        billing=billing,
        take=TakeUsage(parts.usage, metrics),
        report=ReportUsage(parts.reports, parts.meter, metrics),
        correct=CorrectUsage(parts.corrections, parts.meter, parts.credit_notes),
    )
