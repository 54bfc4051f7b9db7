"""Turns completed jobs into facts of usage, each linked to the one before it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from msaas.contracts import Plan, usage_hash
from msaas.jobs.domain.job import Job

QUANTITY: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom we count for, and where the chain of their usage ends.

    `earlier_plans` are those of past periods, by their start, where a job is settled in one.
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
class UsageFact:
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


def charge(subject: Subject, jobs: Iterable[Job], at: datetime) -> Sequence[UsageFact]:
    """Charge each job to the period in which its place was reserved."""
    facts: list[UsageFact] = []
    seq, head = subject.last_seq, subject.head
    for job in jobs:
        seq, previous = seq + 1, head
        head = usage_hash(subject.subject_id, seq, job.id, QUANTITY, at, previous)
        period_start = job.usage_period or subject.period_start
        facts.append(
            UsageFact(
                subject_id=subject.subject_id,
                user_id=job.user_id,
                seq=seq,
                job_id=job.id,
                quantity=QUANTITY,
                occurred_at=at,
                period_start=period_start,
                plan=subject.find_plan(period_start),
                prev_hash=previous,
                hash=head,
            )
        )
    return facts
