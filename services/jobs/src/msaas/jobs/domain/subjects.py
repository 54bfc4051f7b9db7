"""Billing subjects: the plan, the plan that follows it, and the current period."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, NamedTuple, Self, TypeAlias
from uuid import UUID

from msaas.contracts import Plan
from msaas.jobs.domain.periods import Period, first_of_month, open_period
from msaas.jobs.domain.quota import Quota, resolve_limit

# Terms beside the plan's own limit: absent where they refuse nothing.
SPEND_LIMIT: Final = "spend_limit_jobs"
PAST_DUE: Final = "past_due"

Grants: TypeAlias = Mapping[str, int | None]


class UsageCounter(NamedTuple):
    """A period, its plan, and the quota used in it."""

    plan: Plan
    period: Period
    quota: Quota


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingSubject:
    """`terms` are granted by the subscription, `overrides` by an operator.

    `paid_until` is the known end of the subscription: a period beyond it is provisional.
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
        """Advance to the period that contains `now`, with the next plan if there is one."""
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

    def block(self, quota: Quota) -> Quota:
        """Add to a quota what refuses jobs beside the plan; it applies at once."""
        spend_limit = self.terms.get(SPEND_LIMIT)
        return replace(quota, spend_limit=spend_limit, is_past_due=bool(self.terms.get(PAST_DUE)))

    def find_limit(self, counters: Iterable[UsageCounter]) -> int | None:
        """Grant FREE once a calendar month, also if the user left the plan and came back."""
        limit = resolve_limit(self.plan, {**self.terms, **self.overrides})
        if self.plan is not Plan.FREE or limit is None:
            return limit
        month = first_of_month(self.period.start)
        spent = sum(
            counter.quota.used + counter.quota.reserved
            for counter in counters
            if counter.plan is Plan.FREE and month <= counter.period.start < self.period.start
        )
        return max(0, limit - spent)
