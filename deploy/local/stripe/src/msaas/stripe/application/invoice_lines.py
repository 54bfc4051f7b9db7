"""The lines of invoices: flat amounts in advance, metered usage in arrears, prorations."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from msaas.stripe.application.context import Api
from msaas.stripe.application.meters import aggregate
from msaas.stripe.domain.pricing import price_amount
from msaas.stripe.domain.resources import Resource, new_identifier

Period = tuple[int, int]


def is_metered(price: Resource) -> bool:
    return price["recurring"] is not None and price["recurring"]["usage_type"] == "metered"


def flat_line(
    api: Api, subscription: Resource, item: Resource, period: Period, *, trial: bool = False
) -> Resource:
    price = api.store.get("price", item["price"]["id"])
    quantity = item["quantity"]
    amount = 0 if trial else price_amount(price, Decimal(quantity))
    product = api.store.get("product", price["product"])
    text = f"Trial period for {product['name']}" if trial else f"{quantity} × {product['name']}"  # noqa: RUF001 - as Stripe's lines
    line = build_line(price, amount, Decimal(quantity), period, text)
    return line | {"parent": _item_parent(subscription, item["id"], proration=False)}


def usage_line(
    api: Api, subscription: Resource, item_id: str, price_id: str, period: Period
) -> Resource:
    """Build a line whose quantity is read from the meter until the invoice is finalised."""
    price = api.store.get("price", price_id)
    product = api.store.get("product", price["product"])
    line = build_line(price, 0, Decimal(0), period, product["name"])
    line["parent"] = _item_parent(subscription, item_id, proration=False)
    line["_usage"] = {
        "price": price_id,
        "meter": price["recurring"]["meter"],
        "customer": subscription["customer"],
        "start": period[0],
        "end": period[1],
    }
    read_usage(api, line)
    return line


def read_usage(api: Api, line: Resource, *, visible_only: bool = False) -> None:
    usage = line.get("_usage")
    if usage is None:
        return
    quantity = aggregate(
        api,
        usage["meter"],
        usage["customer"],
        usage["start"],
        usage["end"],
        visible_only=visible_only,
    )
    amount = price_amount(api.store.get("price", usage["price"]), quantity)
    line.update(_quantities(quantity), amount=amount, subtotal=amount)


def item_line(api: Api, item: Resource) -> Resource:
    """Build the line of a pending invoice item."""
    price_id = item["_price"]
    price = api.store.get("price", price_id) if price_id else None
    period = (item["period"]["start"], item["period"]["end"])
    line = build_line(price, item["amount"], Decimal(item["quantity"]), period, item["description"])
    line |= {"currency": item["currency"], "metadata": dict(item["metadata"])}
    line["parent"] = {
        "type": "invoice_item_details",
        "invoice_item_details": {
            "invoice_item": item["id"],
            "proration": item["proration"],
            "proration_details": {"credited_items": None},
            "subscription": item["_subscription"],
        },
        "subscription_item_details": None,
    }
    return line


def build_line(
    price: Resource | None, amount: int, quantity: Decimal, period: Period, text: str | None
) -> Resource:
    return {
        "id": new_identifier("il_"),
        "object": "line_item",
        "amount": amount,
        "currency": price["currency"] if price else "",
        "description": text,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "parent": None,
        "period": {"start": period[0], "end": period[1]},
        "pretax_credit_amounts": [],
        "pricing": _pricing(price) if price else None,
        **_quantities(quantity),
        "subscription": None,
        "subtotal": amount,
        "taxes": [],
    }


def total_of(lines: Iterable[Resource]) -> int:
    return sum(line["amount"] for line in lines)


def _quantities(quantity: Decimal) -> dict[str, Any]:
    return {"quantity": int(quantity), "quantity_decimal": format(quantity.normalize(), "f")}


def _pricing(price: Resource) -> Resource:
    return {
        "type": "price_details",
        "price_details": {"price": price["id"], "product": price["product"]},
        "unit_amount_decimal": price["unit_amount_decimal"],
    }


def _item_parent(subscription: Resource, item_id: str, *, proration: bool) -> Resource:
    return {
        "type": "subscription_item_details",
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": None,
            "proration": proration,
            "proration_details": {"credited_items": None},
            "subscription": subscription["id"],
            "subscription_item": item_id,
        },
    }
