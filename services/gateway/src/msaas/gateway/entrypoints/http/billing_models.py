"""Request and response models of billing."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from msaas.contracts import MAX_SPEND_LIMIT, Plan
from msaas.gateway.entrypoints.http.models import IntegralNumber, RequestModel, ResponseModel

AnyPlan = Annotated[Plan, Field(strict=False)]


class CheckoutRequest(RequestModel):
    plan: AnyPlan


class PlanRequest(RequestModel):
    plan: AnyPlan


class SpendLimitRequest(RequestModel):
    """`amount` is in the smallest unit of the currency; null removes the limit."""

    amount: Annotated[IntegralNumber, Field(ge=0, le=MAX_SPEND_LIMIT)] | None


class SpendLimit(ResponseModel):
    amount: int | None


class HostedPage(ResponseModel):
    """A page of the payment provider, to which the browser is sent."""

    url: str
    expires_at: datetime | None


class PlanOffer(ResponseModel):
    """Amounts are in the smallest unit of the currency; null where the plan is not on sale."""

    plan: Plan
    jobs_per_period: int | None
    slots: int
    metered: bool
    currency: str | None
    interval: str | None
    amount_per_period: Decimal | None
    amount_per_job: Decimal | None


class PlanOffers(ResponseModel):
    items: list[PlanOffer]


class Subscription(ResponseModel):
    plan: Plan
    status: str
    period_start: datetime | None
    period_end: datetime | None
    next_plan: Plan | None
    trial_end: datetime | None
    cancel_at_period_end: bool
    past_due_since: datetime | None
    is_disputed: bool
    spend_limit: int | None


class PreviewLine(ResponseModel):
    """A metered line has the price of a job; a proration is negative for the time not used."""

    kind: str
    plan: Plan
    amount: int
    quantity: int
    unit_amount: Decimal | None
    period_start: datetime
    period_end: datetime


class Preview(ResponseModel):
    """What is charged next, in the smallest unit of the currency; null where nothing is due."""

    currency: str
    due_at: datetime | None
    total: int
    lines: list[PreviewLine]


class PlanChangeResult(ResponseModel):
    change: str
    plan: Plan
    status: str
    period_end: datetime | None
    next_plan: Plan | None
