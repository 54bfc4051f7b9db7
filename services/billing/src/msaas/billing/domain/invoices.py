"""Invoices as Stripe has them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """`unit_amount` is in the smallest unit of the currency, with its fractions."""

    id: str
    description: str | None
    amount: int
    quantity: Decimal | None
    unit_amount: Decimal | None
    price_id: str | None
    subscription_item_id: str | None
    is_proration: bool
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    id: str
    customer_id: str
    subscription_id: str | None
    number: str | None
    status: str
    currency: str
    total: int
    amount_due: int
    amount_paid: int
    amount_remaining: int
    billing_reason: str | None
    attempt_count: int
    next_payment_attempt: datetime | None
    period_start: datetime
    period_end: datetime
    finalized_at: datetime | None
    paid_at: datetime | None
    hosted_invoice_url: str | None
    created_at: datetime
    lines: tuple[InvoiceLine, ...] = ()
