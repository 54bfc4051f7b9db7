"""How a plan is changed: what a change means for a subscription."""

from dataclasses import dataclass
from enum import StrEnum

from msaas.billing.domain.errors import NotSubscribed
from msaas.billing.domain.subscriptions import PLAN_RANK, Subscription
from msaas.contracts import Plan


class ChangeKind(StrEnum):
    UPGRADE = "upgrade"  # at once, with proration
    DOWNGRADE = "downgrade"  # at the end of the period
    CANCEL = "cancel"  # at the end of the period
    KEEP = "keep"  # takes back what was scheduled
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class PlanChange:
    kind: ChangeKind
    subscription: Subscription


def decide_change(subscription: Subscription | None, plan: Plan) -> PlanChange:
    """Decide how an open subscription gets to a plan."""
    if subscription is None:
        raise NotSubscribed
    if plan is Plan.FREE:
        is_cancelled = subscription.plan_after_period is Plan.FREE
        kind = ChangeKind.NOTHING if is_cancelled else ChangeKind.CANCEL
    elif plan is subscription.plan:
        is_changing = subscription.plan_after_period is not None
        kind = ChangeKind.KEEP if is_changing else ChangeKind.NOTHING
    elif PLAN_RANK[plan] > PLAN_RANK[subscription.plan]:
        kind = ChangeKind.UPGRADE
    else:
        is_scheduled = subscription.plan_after_period is plan
        kind = ChangeKind.NOTHING if is_scheduled else ChangeKind.DOWNGRADE
    return PlanChange(kind, subscription)
