"""Turns completed jobs into charges, each linked to the one before it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from msaas.contracts import Plan, usage_hash
from msaas.jobs.domain.job import Job

QUANTITY: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerHead:
    """The end of a subject's chain of usage.

    `earlier_plans` are the plans of past periods in which jobs of the batch were reserved.
    """

    subject_id: UUID
    plan: Plan
    period_start: datetime
    last_seq: int
    head: str
    earlier_plans: Mapping[datetime, Plan] = field(default_factory=dict[datetime, Plan])

    def find_plan(self, period_start: datetime) -> Plan:
        return self.earlier_plans.get(period_start, self.plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageCharge:
    subject_id: UUID
    user_id: UUID | None
    seq: int
    job_id: UUID
    quantity: int
    occurred_at: datetime
    period_start: datetime
    plan: Plan
    prev_hash: str
    hash: str


def charge(ledger_head: LedgerHead, jobs: Iterable[Job], at: datetime) -> Sequence[UsageCharge]:
    """Charge each job to the period in which it was reserved."""
    charges: list[UsageCharge] = []
    seq, head = ledger_head.last_seq, ledger_head.head
    for job in jobs:
        seq, previous = seq + 1, head
        head = usage_hash(ledger_head.subject_id, seq, job.id, QUANTITY, at, previous)
        period_start = job.usage_period or ledger_head.period_start
        charges.append(
            UsageCharge(
                subject_id=ledger_head.subject_id,
                user_id=job.user_id,
                seq=seq,
                job_id=job.id,
                quantity=QUANTITY,
                occurred_at=at,
                period_start=period_start,
                plan=ledger_head.find_plan(period_start),
                prev_hash=previous,
                hash=head,
            )
        )
    return charges
