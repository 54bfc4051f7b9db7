"""Prorations: the credit for unused time, and the charge for the rest of a period."""

from decimal import Decimal
from typing import Any

from msaas.stripe.application.context import Api
from msaas.stripe.application.invoice_lines import is_metered
from msaas.stripe.application.subscription_items import items_of
from msaas.stripe.domain.pricing import price_amount, prorate
from msaas.stripe.domain.resources import Resource


def credit_unused_time(api: Api, subscription: Resource, at: int) -> None:
    for item in items_of(subscription):
        add_proration(api, subscription, item, at, sign=-1)


def add_proration(api: Api, subscription: Resource, item: Resource, at: int, *, sign: int) -> None:
    """Add a pending invoice item for the rest of the item's period."""
    start, end = subscription["_start"], subscription["_end"]
    if is_metered(item["price"]) or not start <= at < end:
        return
    price = api.store.get("price", item["price"]["id"])
    full = price_amount(price, Decimal(item["quantity"]))
    amount = sign * prorate(full, end - at, end - start)
    product = api.store.get("product", price["product"])
    words = "Unused time on" if sign < 0 else "Remaining time on"
    create_invoice_item(
        api,
        api.store.get("customer", subscription["customer"]),
        {
            "amount": amount,
            "currency": price["currency"],
            "description": f"{words} {item['quantity']} × {product['name']}",  # noqa: RUF001 - as Stripe's lines
            "period": {"start": at, "end": end},
            "proration": True,
            "quantity": item["quantity"],
            "pricing": {
                "type": "price_details",
                "price_details": {"price": price["id"], "product": price["product"]},
                "unit_amount_decimal": price["unit_amount_decimal"],
            },
            "_price": price["id"],
            "_subscription": subscription["id"],
        },
    )


def create_invoice_item(api: Api, customer: Resource, given: dict[str, Any]) -> Resource:
    now = api.now(customer)
    fields: dict[str, Any] = {
        "customer": customer["id"],
        "date": now,
        "discountable": not given.get("proration", False),
        "discounts": [],
        "metadata": {},
        "net_amount": given["amount"],
        "period": {"start": now, "end": now},
        "proration": False,
        "quantity": 1,
        "tax_rates": [],
        "test_clock": customer["test_clock"],
        "_price": None,
        "_subscription": None,
        **given,
    }
    fields["quantity_decimal"] = str(fields["quantity"])
    if fields["_subscription"]:
        fields["parent"] = {
            "type": "subscription_details",
            "subscription_details": {
                "subscription": fields["_subscription"],
                "subscription_item": None,
            },
        }
    item = api.new("invoiceitem", "ii_", fields)
    api.emit("invoiceitem.created", item)
    return item
