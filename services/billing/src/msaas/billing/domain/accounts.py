"""A user's plan, as it follows from the subscriptions that Stripe has for the customer."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from msaas.billing.domain.subscriptions import (
    PLAN_RANK,
    Subscription,
    SubscriptionStatus,
    find_granting,
)
from msaas.contracts import PLANS, Blocker, Plan, SubscriptionChanged

NO_SUBSCRIPTION: Final = "none"
RENEWAL_MARGIN: Final = timedelta(hours=1)
"""A renewal that no event has reported by then is looked up."""

_NOT_PAID: Final = frozenset({SubscriptionStatus.UNPAID, SubscriptionStatus.INCOMPLETE_EXPIRED})


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """`next_look_at`: when the plan may change without an event, by time alone."""

    plan: Plan = Plan.FREE
    status: str = NO_SUBSCRIPTION
    period_start: datetime | None = None
    period_end: datetime | None = None
    next_plan: Plan | None = None
    past_due_since: datetime | None = None
    next_look_at: datetime | None = None

    def is_paid(self, now: datetime) -> bool:
        """Return whether the present period is paid for and not over."""
        is_unpaid = self.status == SubscriptionStatus.PAST_DUE
        return self.period_end is not None and now < self.period_end and not is_unpaid


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A customer; `spend_limit` and the price of a job are in the currency's smallest unit."""

    id: UUID
    user_id: UUID | None
    customer_id: str | None
    state: AccountState = field(default_factory=AccountState)
    fetched_version: int = 0
    published_version: int = 0
    disputed_at: datetime | None = None
    spend_limit: int | None = None
    unit_amount: Decimal | None = None


def decide_state(
    before: AccountState, subscriptions: Sequence[Subscription], now: datetime, grace: timedelta
) -> AccountState:
    """Decide the plan; this is the one rule for when a lower plan starts.

    A higher plan starts at once. A lower one starts when the period that is paid for ends: what was
    paid is granted, whether the subscription was cancelled, paused or changed. A subscription that
    was not paid ends at once.
    """
    granting = find_granting(subscriptions)
    decided = _grant(granting, before, now, grace) if granting else _lapse(subscriptions)
    is_lower = PLAN_RANK[decided.plan] < PLAN_RANK[before.plan]
    if is_lower and before.is_paid(now) and not _is_unpaid(subscriptions):
        # A debt of the lower plan's subscription is none of the period that was paid.
        is_debt = decided.status == SubscriptionStatus.PAST_DUE
        return replace(
            before,
            status=before.status if is_debt else decided.status,
            next_plan=decided.plan,
            past_due_since=None,
            next_look_at=before.period_end,
        )
    return decided


def _grant(
    granting: Subscription, before: AccountState, now: datetime, grace: timedelta
) -> AccountState:
    end = granting.period_end or now
    is_past_due = granting.status == SubscriptionStatus.PAST_DUE
    since = (before.past_due_since or now) if is_past_due else None
    looks = [end + RENEWAL_MARGIN, *([since + grace] if since else [])]
    if granting.plan_after_period:
        looks.append(end)
    return AccountState(
        plan=granting.plan,
        status=granting.status,
        period_start=granting.period_start,
        period_end=granting.period_end,
        next_plan=granting.plan_after_period,
        past_due_since=since,
        # A time that has passed was looked at just now; without news it is looked at again later.
        next_look_at=min((at for at in looks if at > now), default=now + RENEWAL_MARGIN),
    )


def _lapse(subscriptions: Sequence[Subscription]) -> AccountState:
    latest = max(subscriptions, key=lambda each: (each.started_at, each.id), default=None)
    return AccountState(status=latest.status if latest else NO_SUBSCRIPTION)


def _is_unpaid(subscriptions: Sequence[Subscription]) -> bool:
    """Return whether a payment failed for good, so that the present period is not paid for."""
    return any(
        each.status in _NOT_PAID or each.cancelled_for_nonpayment for each in subscriptions
    ) and not any(each.grants_plan for each in subscriptions)


def is_blocked_by_debt(state: AccountState, now: datetime, grace: timedelta) -> bool:
    """Return whether the grace after a failed payment is over."""
    return state.past_due_since is not None and now >= state.past_due_since + grace


def count_affordable_jobs(spend_limit: int | None, unit_amount: Decimal | None) -> int | None:
    """Count the jobs that a spend limit pays for; None where it limits nothing."""
    if spend_limit is None or not unit_amount:
        return None
    return int(spend_limit // unit_amount)


def build_change(account: Account, now: datetime, grace: timedelta) -> SubscriptionChanged | None:
    """Build the snapshot that other services apply; None where the user is erased."""
    if account.user_id is None or account.published_version == 0:
        return None
    state = account.state
    is_blocked = is_blocked_by_debt(state, now, grace)
    return SubscriptionChanged(
        user_id=account.user_id,
        version=account.published_version,
        plan=state.plan,
        status=state.status,
        jobs_limit=PLANS[state.plan].jobs_per_period,
        period_start=state.period_start,
        period_end=state.period_end,
        next_plan=state.next_plan,
        spend_limit_jobs=count_affordable_jobs(account.spend_limit, account.unit_amount),
        blocked_by=Blocker.PAST_DUE if is_blocked else None,
    )
