"""Subscriptions as Stripe has them, and the one of a customer that decides the plan."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from msaas.contracts import Plan

PLAN_RANK: Final[Mapping[Plan, int]] = MappingProxyType({plan: at for at, plan in enumerate(Plan)})


class SubscriptionStatus(StrEnum):
    """Stripe's statuses; any other is treated as one that grants no plan."""

    ACTIVE = "active"
    TRIALING = "trialing"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    CANCELED = "canceled"
    INCOMPLETE = "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired"


GRANTING: Final = frozenset(
    {SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING, SubscriptionStatus.PAST_DUE}
)
"""Statuses in which a subscription grants its plan."""

ENDED: Final = frozenset({SubscriptionStatus.CANCELED, SubscriptionStatus.INCOMPLETE_EXPIRED})
"""Statuses that a subscription never leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """`next_plan` is the plan of the schedule's next phase; None where nothing is scheduled."""

    id: str
    plan: Plan
    status: str
    period_start: datetime | None
    period_end: datetime | None
    cancel_at_period_end: bool = False
    cancel_at: datetime | None = None
    canceled_at: datetime | None = None
    ended_at: datetime | None = None
    trial_end: datetime | None = None
    collection_paused: bool = False
    cancelled_for_nonpayment: bool = False
    next_plan: Plan | None = None
    schedule_id: str | None = None
    flat_item_id: str | None = None
    flat_price_id: str | None = None
    metered_item_id: str | None = None
    metered_price_id: str | None = None
    latest_invoice_id: str | None = None
    started_at: datetime

    @property
    def grants_plan(self) -> bool:
        has_period = self.period_start is not None and self.period_end is not None
        return self.status in GRANTING and has_period

    @property
    def is_open(self) -> bool:
        """Return whether it may still be paid, changed or cancelled."""
        return self.status not in ENDED

    @property
    def plan_after_period(self) -> Plan | None:
        """Return the plan that follows at the period's end; None where it stays the same."""
        ends_with_period = self.cancel_at is not None and (
            self.period_end is not None and self.cancel_at <= self.period_end
        )
        if self.cancel_at_period_end or ends_with_period:
            return Plan.FREE
        return None if self.next_plan is self.plan else self.next_plan


def find_granting(subscriptions: Iterable[Subscription]) -> Subscription | None:
    """Find the subscription of the highest plan; of equal ones, that which lasts the longest."""
    granting = [each for each in subscriptions if each.grants_plan]
    return max(granting, key=_strength, default=None)


def find_open(subscriptions: Iterable[Subscription]) -> Subscription | None:
    """Find the subscription that a change of the plan is about."""
    subscriptions = list(subscriptions)
    latest = max(
        (each for each in subscriptions if each.is_open),
        key=lambda each: (each.started_at, each.id),
        default=None,
    )
    return find_granting(subscriptions) or latest


def _strength(subscription: Subscription) -> tuple[int, datetime, str]:
    lasts_until = subscription.period_end or subscription.started_at
    return PLAN_RANK[subscription.plan], lasts_until, subscription.id
