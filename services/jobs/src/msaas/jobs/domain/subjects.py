"""Whom we count for: the plan they have, what follows it, and the period that counts now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple, Self, TypeAlias
from uuid import UUID

from msaas.contracts import Plan
from msaas.jobs.domain.periods import Period, first_of_month, open_period
from msaas.jobs.domain.quota import Quota, resolve_limit

Grants: TypeAlias = Mapping[str, int | None]


class UsageCounter(NamedTuple):
    """A counter: a period, its plan, and what was used in it."""

    plan: Plan
    period: Period
    quota: Quota


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingSubject:
    """`terms` are what the subscription grants, `overrides` what we grant this one user.

    `paid_until` is how far the subscription is known to reach: a period beyond it is provisional.
    """

    subject_id: UUID
    user_id: UUID
    plan: Plan
    plan_version: int = 0
    next_plan: Plan | None = None
    terms: Grants = field(default_factory=dict[str, int | None])
    overrides: Grants = field(default_factory=dict[str, int | None])
    period: Period
    paid_until: datetime | None = None
    is_erasing: bool = False

    def is_paid(self, now: datetime) -> bool:
        return self.paid_until is not None and now < self.paid_until

    def roll_over(self, now: datetime) -> Self:
        """Go on to the period that holds `now`, with the plan that was to follow."""
        if now < self.period.end:
            return self
        if self.paid_until is not None and now < self.paid_until:
            return replace(self, period=Period(self.period.end, self.paid_until))
        plan = self.next_plan or self.plan
        return replace(
            self,
            plan=plan,
            next_plan=None,
            terms=self.terms if plan is self.plan else {},
            period=open_period(plan, now, after=self.period.end),
        )

    def find_limit(self, counters: Iterable[UsageCounter]) -> int | None:
        """Give FREE once a calendar month, also to whoever left it and came back meanwhile."""
        limit = resolve_limit(self.plan, {**self.terms, **self.overrides})
        if self.plan is not Plan.FREE or limit is None:
            return limit
        month = first_of_month(self.period.start)
        spent = sum(
            one.quota.used + one.quota.reserved
            for one in counters
            if one.plan is Plan.FREE and month <= one.period.start < self.period.start
        )
        return max(0, limit - spent)
