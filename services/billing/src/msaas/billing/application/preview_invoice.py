"""Previews what is charged next: at the period's end, or at once for a higher plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msaas.billing.domain.catalogue import CURRENCY, PriceKind, PriceList
from msaas.billing.domain.errors import PlanNotOnSale
from msaas.billing.domain.money import (
    OpenPeriod,
    PreviewLine,
    Rates,
    Span,
    Units,
    next_period_end,
    preview_period,
    preview_upgrade,
    total_of,
)
from msaas.billing.domain.subscriptions import PLAN_RANK, Subscription, SubscriptionStatus
from msaas.contracts import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Billable:
    """A subscription with the units that count in its period, and the last usage invoiced."""

    subscription: Subscription
    prices: PriceList
    units: Sequence[Units]
    usage_invoiced_until: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """`due_at` is when it is charged; None where nothing is due."""

    currency: str
    due_at: datetime | None
    total: int
    lines: Sequence[PreviewLine]


class Billables(Protocol):
    async def find_billable(self, user_id: UUID) -> Billable | None: ...


NOTHING = Preview(currency=CURRENCY, due_at=None, total=0, lines=())


class PreviewInvoice:
    """The same function prices every preview; an invoice that is final has the same total."""

    def __init__(self, billables: Billables) -> None:
        self._billables = billables

    async def __call__(
        self, user_id: UUID, plan: Plan | None = None, at: datetime | None = None
    ) -> Preview:
        """Preview a change to `plan` at a time, or, without one, the end of the period."""
        found = await self._billables.find_billable(user_id)
        if found is None:
            return NOTHING
        return preview(found, plan, at or found.now)


def preview(found: Billable, plan: Plan | None, at: datetime) -> Preview:
    subscription = found.subscription
    period = build_period(found, plan)
    end = period.span.end
    if plan is not None and PLAN_RANK[plan] > PLAN_RANK[subscription.plan]:
        to = _offered_rates(found.prices, plan)
        end, lines = at, list(preview_upgrade(period, to, found.units, at))
    else:
        anchor = subscription.trial_end or subscription.started_at
        lines = list(preview_period(period, found.units, next_period_end(anchor, end)))
    return Preview(currency=CURRENCY, due_at=end, total=total_of(lines), lines=lines)


def build_period(found: Billable, plan: Plan | None = None) -> OpenPeriod:
    subscription = found.subscription
    start, end = subscription.period_start, subscription.period_end
    if start is None or end is None:
        raise PlanNotOnSale
    rates = _rates_of(subscription, found.prices)
    return OpenPeriod(
        span=Span(start, end),
        rates=rates,
        following=_following(found, rates, plan or subscription.plan_after_period),
        usage_from=max(start, found.usage_invoiced_until or start),
        is_trial=subscription.status == SubscriptionStatus.TRIALING,
    )


def _following(found: Billable, rates: Rates, plan: Plan | None) -> Rates | None:
    if plan is Plan.FREE:
        return None
    if plan is None or plan is found.subscription.plan:
        return rates
    return _offered_rates(found.prices, plan)


def _rates_of(subscription: Subscription, prices: PriceList) -> Rates:
    """Return the prices of the subscription itself, which may be offered no longer."""
    flat = prices.find(subscription.flat_price_id)
    metered = prices.find(subscription.metered_price_id)
    if flat is None or metered is None:
        raise PlanNotOnSale
    return Rates(subscription.plan, int(flat.unit_amount), metered.unit_amount)


def _offered_rates(prices: PriceList, plan: Plan) -> Rates:
    flat = prices.find_offered(plan, PriceKind.FLAT)
    metered = prices.find_offered(plan, PriceKind.METERED)
    if flat is None or metered is None:
        raise PlanNotOnSale
    return Rates(plan, int(flat.unit_amount), metered.unit_amount)
