"""A user's account while a batch of commands is applied: plan, period and quota."""

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
    """`reservation_changes` are by the start of their period.

    If the limit is not enforced, `overrun` counts the jobs beyond it.
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
        """Continue the current period, or open the next one if it is over."""
        subject = subject.roll_over(now)
        present = next((counter for counter in counters if now < counter.period.end), None)
        if present is None:
            quota = subject.block(Quota(limit=subject.find_limit(counters)))
            return cls(subject=subject, period=subject.period, quota=quota, is_new=True)
        # An override applies at once, not from the next period.
        limit = subject.overrides.get("jobs_per_period", present.quota.limit)
        quota = subject.block(replace(present.quota, limit=limit))
        return cls(subject=subject, period=present.period, quota=quota)

    def reserve(self) -> datetime:
        """Reserve one job and return the start of the period that it counts in."""
        if self.quota.is_full and not self.is_enforced:
            self.overrun += 1
            self.quota = self.quota.overdraw()
        else:
            self.quota = self.quota.reserve(self.period.end)
        self.reservation_changes[self.period.start] += 1
        return self.period.start

    def release(self, period_start: datetime) -> None:
        """Release a reservation in the period in which it was made, which may be over."""
        if period_start == self.period.start:
            self.quota = self.quota.release()
        self.reservation_changes[period_start] -= 1
