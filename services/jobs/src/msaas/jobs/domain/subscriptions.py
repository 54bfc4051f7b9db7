"""How a subscription changes plan and period: upgrades at once, downgrades at the period's end."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from msaas.contracts import Blocker, Plan, SubscriptionChanged
from msaas.jobs.domain.periods import Period, first_of_month, open_period
from msaas.jobs.domain.subjects import PAST_DUE, SPEND_LIMIT, BillingSubject

PLAN_RANK: Final[Mapping[Plan, int]] = MappingProxyType({plan: at for at, plan in enumerate(Plan)})
_BLOCKS: Final = frozenset({PAST_DUE, SPEND_LIMIT})
UNPAID_STATUSES: Final = frozenset({"incomplete_expired", "unpaid"})
"""Statuses of subscriptions that were not paid: their plan ends at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChange:
    """`closed_period` is the period that ended early, with its new end."""

    subject: BillingSubject
    closed_period: Period | None = None


def apply_subscription_change(
    subject: BillingSubject, change: SubscriptionChanged, now: datetime
) -> PlanChange:
    """Leave the subject as it is if the change is not newer than what is known."""
    if change.version <= subject.plan_version:
        return PlanChange(subject=subject)
    subject = replace(subject.roll_over(now), plan_version=change.version)
    now = max(now, subject.period.start)
    if _is_deferred(subject, change, now):
        kept = {name: value for name, value in subject.terms.items() if name not in _BLOCKS}
        deferred = replace(
            subject,
            next_plan=change.next_plan or change.plan,
            terms={**kept, **_read_blocks(change)},
        )
        return PlanChange(subject=deferred)
    cut = _find_early_end(subject, change, now)
    start = subject.period.start if cut is None else cut
    period = Period(start, _find_period_end(subject, change, start, now))
    closed = None if cut is None else Period(subject.period.start, cut)
    return PlanChange(subject=_switch_plan(subject, change, period), closed_period=closed)


def _switch_plan(
    subject: BillingSubject, change: SubscriptionChanged, period: Period
) -> BillingSubject:
    return replace(
        subject,
        plan=change.plan,
        next_plan=None if change.next_plan is change.plan else change.next_plan,
        terms={"jobs_per_period": change.jobs_limit, **_read_blocks(change)},
        period=period,
        paid_until=change.period_end,
    )


def _read_blocks(change: SubscriptionChanged) -> dict[str, int | None]:
    blocks: dict[str, int | None] = {}
    if change.spend_limit_jobs is not None:
        blocks[SPEND_LIMIT] = change.spend_limit_jobs
    if change.blocked_by is Blocker.PAST_DUE:
        blocks[PAST_DUE] = 1
    return blocks


def _is_deferred(subject: BillingSubject, change: SubscriptionChanged, now: datetime) -> bool:
    is_lower = PLAN_RANK[change.plan] < PLAN_RANK[subject.plan]
    return is_lower and subject.is_paid(now) and change.status not in UNPAID_STATUSES


def _find_early_end(
    subject: BillingSubject, change: SubscriptionChanged, now: datetime
) -> datetime | None:
    """Find where the current period ends early and the next begins; None keeps the current one.

    Jobs refer to their period by its start, so a period that continues keeps its start. A
    provisional period becomes the paid one, unless the paid plan is higher.
    """
    start = change.period_start or first_of_month(now)
    begins = start if subject.period.start < start <= now else None
    rank = PLAN_RANK[change.plan] - PLAN_RANK[subject.plan]
    if rank == 0:
        is_another = subject.is_paid(now) and change.period_end != subject.paid_until
        return begins if is_another else None
    if rank < 0 and not subject.is_paid(now):
        return begins if change.plan is Plan.FREE else None
    cut = begins if begins and rank > 0 else now
    return cut if cut > subject.period.start else None


def _find_period_end(
    subject: BillingSubject, change: SubscriptionChanged, start: datetime, now: datetime
) -> datetime:
    """Use the subscription's period, unless it is over already or has yet to begin."""
    if change.period_start is None or change.period_end is None:
        return open_period(Plan.FREE, now).end
    if change.period_end <= now:
        return open_period(change.plan, now, after=start).end
    if change.period_start > now and change.plan is subject.plan:
        return min(subject.period.end, change.period_start)
    return change.period_end
