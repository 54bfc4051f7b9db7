"""A user's account while a batch is judged: plan, period, quota and what changes in them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self
from uuid import UUID

from msaas.contracts import Plan
from msaas.jobs.domain.periods import Period, open_period
from msaas.jobs.domain.quota import Quota, limit_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom we count for, as the record has it."""

    subject_id: UUID
    user_id: UUID
    plan: Plan
    overrides: Mapping[str, int | None] = field(default_factory=dict[str, int | None])
    period: Period
    erasing: bool = False


@dataclass(slots=True, kw_only=True)
class Account:
    """`reserved` says by how much the reservations of each period change, by its start."""

    subject: Subject
    period: Period
    quota: Quota
    is_new: bool = False
    reserved: Counter[datetime] = field(default_factory=Counter[datetime])

    @classmethod
    def open(cls, subject: Subject, counted: tuple[Period, Quota] | None, now: datetime) -> Self:
        """Go on with the period that is counted, or open the next one where it is over."""
        if counted is not None:
            period, quota = counted
            return cls(subject=subject, period=period, quota=quota)
        period = subject.period
        if now >= period.end:
            period = open_period(subject.plan, now, after=period.end)
        quota = Quota(limit=limit_of(subject.plan, subject.overrides))
        return cls(subject=subject, period=period, quota=quota, is_new=True)

    def reserve(self) -> datetime:
        """Set a job aside and name the period that it counts in."""
        self.quota = self.quota.reserve(self.period.end)
        self.reserved[self.period.start] += 1
        return self.period.start

    def release(self, period_start: datetime) -> None:
        """Give a reservation back to the period that it was made in, which may be over."""
        if period_start == self.period.start:
            self.quota = self.quota.release()
        self.reserved[period_start] -= 1
