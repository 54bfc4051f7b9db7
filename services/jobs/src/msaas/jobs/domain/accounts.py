"""A user's account while a batch is judged: plan, period, quota and what changes in them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from msaas.jobs.domain.periods import Period
from msaas.jobs.domain.quota import Quota
from msaas.jobs.domain.subjects import BillingSubject, UsageCounter


@dataclass(slots=True, kw_only=True)
class Account:
    """`reserved` says by how much the reservations of each period change, by its start.

    Where the limit is not enforced, `overrun` counts the jobs beyond it.
    """

    subject: BillingSubject
    period: Period
    quota: Quota
    is_new: bool = False
    is_enforced: bool = True
    overrun: int = 0
    reservation_changes: Counter[datetime] = field(default_factory=Counter[datetime])

    @classmethod
    def open(cls, subject: BillingSubject, counters: Sequence[UsageCounter], now: datetime) -> Self:
        """Go on with the period that is counted, or open the next one where it is over."""
        subject = subject.roll_over(now)
        present = next((one for one in counters if now < one.period.end), None)
        if present is None:
            quota = Quota(limit=subject.find_limit(counters))
            return cls(subject=subject, period=subject.period, quota=quota, is_new=True)
        # An override holds from when it is granted, not from the next period.
        limit = subject.overrides.get("jobs_per_period", present.quota.limit)
        quota = replace(present.quota, limit=limit)
        return cls(subject=subject, period=present.period, quota=quota)

    def reserve(self) -> datetime:
        """Set a job aside and name the period that it counts in."""
        if self.quota.is_full and not self.is_enforced:
            self.overrun += 1
            self.quota = self.quota.overdraw()
        else:
            self.quota = self.quota.reserve(self.period.end)
        self.reservation_changes[self.period.start] += 1
        return self.period.start

    def release(self, period_start: datetime) -> None:
        """Give a reservation back to the period that it was made in, which may be over."""
        if period_start == self.period.start:
            self.quota = self.quota.release()
        self.reservation_changes[period_start] -= 1
