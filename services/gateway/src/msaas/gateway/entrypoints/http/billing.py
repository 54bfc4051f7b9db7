"""Plans, the subscription, checkout, portal and spend limit; billing owns them all."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from fastapi import APIRouter

from msaas.contracts import (
    PLANS,
    ChangePlan,
    OpenCheckout,
    OpenPortal,
    Plan,
    PlanTerms,
    PreviewInvoice,
    Scope,
    SetSpendLimit,
)
from msaas.gateway.application.ports import Row
from msaas.gateway.domain.idempotency import ReplayPolicy
from msaas.gateway.domain.rate_limit_rules import RateLimitCategory
from msaas.gateway.entrypoints.http.billing_models import (
    CheckoutRequest,
    HostedPage,
    PlanChangeResult,
    PlanOffer,
    PlanOffers,
    PlanRequest,
    Preview,
    SpendLimit,
    SpendLimitRequest,
    Subscription,
)
from msaas.gateway.entrypoints.http.dependencies import (
    BillingCommandsDep,
    BillingViewsDep,
    CurrentActor,
    CurrentUser,
    RequiredIdempotencyKey,
    ReturnUrlDep,
)
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard

router = APIRouter(prefix="/api/v1/billing")
_READS: Final = guard(RouteRule(scope=Scope.ACCOUNT_READ))
# No scope: an API key spends no money. A key is required, so that a repeat pays nothing twice.
_MONEY: Final = guard(
    RouteRule(rate_limit=RateLimitCategory.CRITICAL, requires_idempotency_key=True)
)
# The portal's address signs its holder in, so it is not stored.
_PORTAL: Final = guard(
    RouteRule(
        rate_limit=RateLimitCategory.CRITICAL,
        requires_idempotency_key=True,
        replay=ReplayPolicy.MARKER_ONLY,
    )
)
_NO_SUBSCRIPTION: Final = Subscription(
    plan=Plan.FREE,
    status="none",
    period_start=None,
    period_end=None,
    next_plan=None,
    trial_end=None,
    cancel_at_period_end=False,
    past_due_since=None,
    is_disputed=False,
    spend_limit=None,
)


@router.get("/plans", dependencies=[_READS])
async def list_plans(user: CurrentUser, views: BillingViewsDep) -> PlanOffers:
    prices = await views.list_prices(user.id)
    return PlanOffers(items=[_build_offer(plan, terms, prices) for plan, terms in PLANS.items()])


@router.get("/subscription", dependencies=[_READS])
async def read_subscription(user: CurrentUser, views: BillingViewsDep) -> Subscription:
    row = await views.find_subscription(user.id)
    return _NO_SUBSCRIPTION if row is None else Subscription.model_validate(dict(row))


@router.get("/preview", dependencies=[_READS])
async def preview_invoice(
    actor: CurrentActor, commands: BillingCommandsDep, plan: Plan | None = None
) -> Preview:
    """Preview the invoice of the period's end, or what a change to `plan` would charge now."""
    command = PreviewInvoice(user_id=actor.user.id, plan=plan)
    return Preview.model_validate(await commands.send(command, actor.correlation_id))


@router.post("/checkout-session", status_code=201, dependencies=[_MONEY])
async def open_checkout(
    body: CheckoutRequest,
    actor: CurrentActor,
    key: RequiredIdempotencyKey,
    commands: BillingCommandsDep,
    return_url: ReturnUrlDep,
) -> HostedPage:
    command = OpenCheckout(
        user_id=actor.user.id, plan=body.plan, idempotency_key=key, return_url=return_url
    )
    return HostedPage.model_validate(await commands.send(command, actor.correlation_id))


@router.post("/portal-session", status_code=201, dependencies=[_PORTAL])
async def open_portal(
    actor: CurrentActor,
    key: RequiredIdempotencyKey,
    commands: BillingCommandsDep,
    return_url: ReturnUrlDep,
) -> HostedPage:
    command = OpenPortal(user_id=actor.user.id, idempotency_key=key, return_url=return_url)
    return HostedPage.model_validate(await commands.send(command, actor.correlation_id))


@router.post("/subscription/change", dependencies=[_MONEY])
async def change_plan(
    body: PlanRequest,
    actor: CurrentActor,
    key: RequiredIdempotencyKey,
    commands: BillingCommandsDep,
) -> PlanChangeResult:
    command = ChangePlan(user_id=actor.user.id, plan=body.plan, idempotency_key=key)
    return PlanChangeResult.model_validate(await commands.send(command, actor.correlation_id))


@router.put("/spend-limit", dependencies=[_MONEY])
async def set_spend_limit(
    body: SpendLimitRequest,
    actor: CurrentActor,
    key: RequiredIdempotencyKey,
    commands: BillingCommandsDep,
) -> SpendLimit:
    command = SetSpendLimit(user_id=actor.user.id, amount=body.amount, idempotency_key=key)
    return SpendLimit.model_validate(await commands.send(command, actor.correlation_id))


def _build_offer(plan: Plan, terms: PlanTerms, prices: Sequence[Row]) -> PlanOffer:
    own: Mapping[str, Row] = {row["kind"]: row for row in prices if row["plan"] == plan}
    flat, metered = own.get("flat"), own.get("metered")
    is_free = plan is Plan.FREE
    return PlanOffer(
        plan=plan,
        jobs_per_period=terms.jobs_per_period,
        slots=terms.slots,
        metered=terms.metered,
        currency=flat["currency"] if flat else None,
        interval=flat["recurring_interval"] if flat else None,
        amount_per_period=Decimal(0) if is_free else _read_amount(flat),
        amount_per_job=Decimal(0) if is_free else _read_amount(metered),
    )


def _read_amount(price: Row | None) -> Decimal | None:
    return None if price is None else price["unit_amount"]
