"""The items of a subscription: their prices, periods and metered usage."""

from msaas.stripe.application.context import Api
from msaas.stripe.application.invoice_lines import Period, flat_line, is_metered, usage_line
from msaas.stripe.application.routing import Params
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.domain.resources import Resource, new_identifier, public


def build_item(api: Api, given: Params, subscription_id: str, period: Period) -> Resource:
    price = find_price(api, given)
    item: Resource = {
        "id": new_identifier("si_"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": period[0],
        "current_period_end": period[1],
        "current_period_start": period[0],
        "discounts": [],
        "metadata": given.get("metadata") or {},
        "subscription": subscription_id,
        "tax_rates": [],
        "_usage_from": period[0],
    }
    set_price(item, price, given.get("quantity"))
    return item


def set_price(item: Resource, price: Resource, quantity: int | None) -> None:
    if is_metered(price):
        if quantity is not None:
            raise ApiError("A metered price has no quantity.", param="items[0][quantity]")
        item.pop("quantity", None)
    else:
        item["quantity"] = 1 if quantity is None else quantity
    item.update(price=public(price), plan=_build_plan(price))


def find_price(api: Api, given: Params) -> Resource:
    if "price" not in given:
        raise ApiError(
            "Missing required param: items[0][price].",
            code="parameter_missing",
            param="items[0][price]",
        )
    price = api.store.get("price", given["price"], "items[0][price]")
    if not price["active"]:
        raise ApiError("The price specified is inactive.", param="items[0][price]")
    if price["recurring"] is None:
        raise ApiError("The price specified is not recurring.", param="items[0][price]")
    return price


def check_items(items: list[Resource]) -> None:
    """Refuse items that cannot share one invoice."""
    if not items:
        raise ApiError("A subscription needs at least one item.", param="items")
    first = items[0]["price"]
    for item in items[1:]:
        price = item["price"]
        if price["currency"] != first["currency"]:
            raise ApiError("All prices of a subscription need one currency.", param="items")
        if interval_of(item) != interval_of(items[0]):
            raise ApiError(
                "The stand-in does not implement items of different intervals.", param="items"
            )
    prices = [item["price"]["id"] for item in items]
    if len(set(prices)) < len(prices):
        raise ApiError("A price occurs twice among the items.", param="items")


def interval_of(item: Resource) -> tuple[str, int]:
    recurring = item["price"]["recurring"]
    return recurring["interval"], recurring["interval_count"]


def items_of(subscription: Resource) -> list[Resource]:
    return subscription["items"]["data"]


def set_period(subscription: Resource, period: Period) -> None:
    subscription["_start"], subscription["_end"] = period
    for item in items_of(subscription):
        item.update(current_period_start=period[0], current_period_end=period[1])


def flat_lines(
    api: Api, subscription: Resource, period: Period, *, trial: bool = False
) -> list[Resource]:
    return [
        flat_line(api, subscription, item, period, trial=trial)
        for item in items_of(subscription)
        if not is_metered(item["price"])
    ]


def take_usage_lines(
    api: Api, subscription: Resource, until: int, *, free: bool = False
) -> list[Resource]:
    """Bill the usage of all metered items until a time; usage of a trial is free."""
    for item in items_of(subscription):
        close_usage(subscription, item, until)
    lines = take_closed_usage(api, subscription)
    return [] if free else lines


def take_closed_usage(api: Api, subscription: Resource) -> list[Resource]:
    """Build the lines of the usage whose end is fixed."""
    segments: list[Resource] = subscription["_usage_segments"]
    subscription["_usage_segments"] = []
    return [
        usage_line(api, subscription, part["item"], part["price"], (part["start"], part["end"]))
        for part in segments
        if part["start"] < part["end"]
    ]


def close_usage(subscription: Resource, item: Resource, at: int) -> None:
    """Bill an item's usage so far at its price of this moment, with the next invoice."""
    if is_metered(item["price"]):
        subscription["_usage_segments"].append(_segment(item, at))
        item["_usage_from"] = at


def _segment(item: Resource, end: int) -> Resource:
    return {
        "item": item["id"],
        "price": item["price"]["id"],
        "start": item["_usage_from"],
        "end": end,
    }


def _build_plan(price: Resource) -> Resource:
    """Build the older form of a price, which every item still has."""
    recurring = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": False,
        "metadata": dict(price["metadata"]),
        "meter": recurring["meter"],
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": price["tiers_mode"],
        "transform_usage": None,
        "trial_period_days": recurring["trial_period_days"],
        "usage_type": recurring["usage_type"],
    }
