"""Reads Stripe's objects, whose optional fields may be missing, null or expanded."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias

from msaas.billing.domain.catalogue import PriceKind, PriceList
from msaas.billing.domain.invoices import Invoice, InvoiceLine
from msaas.billing.domain.subscriptions import Subscription
from msaas.contracts import Plan

JsonMap: TypeAlias = Mapping[str, Any]
_NONPAYMENT: Final = "payment_failed"


def read_id(value: object) -> str | None:
    """Read a reference: an id, or an expanded object."""
    if isinstance(value, Mapping):
        value = value.get("id")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return value if isinstance(value, str) and value else None


def read_time(value: object) -> datetime | None:
    """Read a Unix time; None where there is none, or where it is out of range."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def read_map(value: object) -> JsonMap:
    return value if isinstance(value, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]


def read_list(value: object) -> list[JsonMap]:
    """Read a list object, or a plain list."""
    items = value.get("data") if isinstance(value, Mapping) else value  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return [each for each in items if isinstance(each, Mapping)] if isinstance(items, list) else []  # pyright: ignore[reportUnknownVariableType]


def read_subscription(stripe_object: JsonMap, prices: PriceList) -> Subscription | None:
    """Return None for a subscription of another system: no price of it is known."""
    items = read_list(stripe_object.get("items"))
    by_kind = {
        price.kind: (item, price)
        for item in items
        if (price := prices.find(read_id(item.get("price")))) is not None
    }
    main = by_kind.get(PriceKind.FLAT) or by_kind.get(PriceKind.METERED)
    id_ = read_id(stripe_object)
    if main is None or id_ is None:
        return None
    item, price = main
    flat, metered = by_kind.get(PriceKind.FLAT), by_kind.get(PriceKind.METERED)
    schedule = read_map(stripe_object.get("schedule"))
    period_end = read_time(item.get("current_period_end"))
    reason = read_map(stripe_object.get("cancellation_details")).get("reason")
    started = read_time(stripe_object.get("created")) or datetime.fromtimestamp(0, UTC)
    return Subscription(
        id=id_,
        plan=price.plan,
        status=str(stripe_object.get("status") or "unknown"),
        period_start=read_time(item.get("current_period_start")),
        period_end=period_end,
        cancel_at_period_end=stripe_object.get("cancel_at_period_end") is True,
        cancel_at=read_time(stripe_object.get("cancel_at")),
        canceled_at=read_time(stripe_object.get("canceled_at")),
        ended_at=read_time(stripe_object.get("ended_at")),
        trial_end=read_time(stripe_object.get("trial_end")),
        collection_paused=bool(stripe_object.get("pause_collection")),
        cancelled_for_nonpayment=reason == _NONPAYMENT,
        next_plan=_read_next_plan(schedule, prices, period_end),
        schedule_id=read_id(stripe_object.get("schedule")),
        flat_item_id=read_id(flat[0]) if flat else None,
        flat_price_id=flat[1].id if flat else None,
        metered_item_id=read_id(metered[0]) if metered else None,
        metered_price_id=metered[1].id if metered else None,
        latest_invoice_id=read_id(stripe_object.get("latest_invoice")),
        started_at=started,
    )


def _read_next_plan(
    schedule: JsonMap, prices: PriceList, period_end: datetime | None
) -> Plan | None:
    """Find the plan of the phase that begins when the period ends."""
    if period_end is None or schedule.get("status") not in {"active", "not_started"}:
        return None
    phases = [
        phase
        for phase in read_list(schedule.get("phases"))
        if (start := read_time(phase.get("start_date"))) is not None and start >= period_end
    ]
    first = min(phases, key=lambda phase: phase["start_date"], default=None)
    return _find_plan(read_list(first.get("items")), prices) if first else None


def _find_plan(items: Iterable[JsonMap], prices: PriceList) -> Plan | None:
    known = (prices.find(read_id(item.get("price"))) for item in items)
    return next((price.plan for price in known if price is not None), None)


def read_invoice(stripe_object: JsonMap) -> Invoice | None:
    """Return None for what has not even an id, a customer and a status."""
    id_, customer = read_id(stripe_object), read_id(stripe_object.get("customer"))
    status = stripe_object.get("status")
    if id_ is None or customer is None or not isinstance(status, str):
        return None
    epoch = datetime.fromtimestamp(0, UTC)
    details = read_map(read_map(stripe_object.get("parent")).get("subscription_details"))
    transitions = read_map(stripe_object.get("status_transitions"))
    return Invoice(
        id=id_,
        customer_id=customer,
        subscription_id=read_id(details.get("subscription")),
        number=_read_text(stripe_object.get("number")),
        status=status,
        currency=_read_text(stripe_object.get("currency")) or "usd",
        total=_read_amount(stripe_object.get("total")),
        amount_due=_read_amount(stripe_object.get("amount_due")),
        amount_paid=_read_amount(stripe_object.get("amount_paid")),
        amount_remaining=_read_amount(stripe_object.get("amount_remaining")),
        billing_reason=_read_text(stripe_object.get("billing_reason")),
        attempt_count=_read_amount(stripe_object.get("attempt_count")),
        next_payment_attempt=read_time(stripe_object.get("next_payment_attempt")),
        period_start=read_time(stripe_object.get("period_start")) or epoch,
        period_end=read_time(stripe_object.get("period_end")) or epoch,
        finalized_at=read_time(transitions.get("finalized_at")),
        paid_at=read_time(transitions.get("paid_at")),
        hosted_invoice_url=_read_text(stripe_object.get("hosted_invoice_url")),
        created_at=read_time(stripe_object.get("created")) or epoch,
        lines=tuple(
            line for each in read_list(stripe_object.get("lines")) if (line := read_line(each))
        ),
    )


def read_line(line: JsonMap) -> InvoiceLine | None:
    id_ = read_id(line)
    if id_ is None:
        return None
    epoch = datetime.fromtimestamp(0, UTC)
    pricing, period = read_map(line.get("pricing")), read_map(line.get("period"))
    parent = read_map(read_map(line.get("parent")).get("subscription_item_details"))
    return InvoiceLine(
        id=id_,
        description=_read_text(line.get("description")),
        amount=_read_amount(line.get("amount")),
        quantity=_read_decimal(line.get("quantity_decimal", line.get("quantity"))),
        unit_amount=_read_decimal(pricing.get("unit_amount_decimal")),
        price_id=read_id(read_map(pricing.get("price_details")).get("price")),
        subscription_item_id=_read_text(parent.get("subscription_item")),
        is_proration=parent.get("proration") is True,
        period_start=read_time(period.get("start")) or epoch,
        period_end=read_time(period.get("end")) or epoch,
    )


def _read_text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _read_amount(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _read_decimal(value: object) -> Decimal | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None
