"""Changes of a subscription's items, with prorations and the usage until then."""

from msaas.stripe.application.context import Api
from msaas.stripe.application.invoice_lines import is_metered
from msaas.stripe.application.routing import Params
from msaas.stripe.application.subscription_items import (
    build_item,
    check_items,
    close_usage,
    find_price,
    items_of,
    set_price,
)
from msaas.stripe.application.unused_time import add_proration
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.domain.resources import Resource, merge_metadata


def change_items(
    api: Api, subscription: Resource, changes: list[Params], at: int, *, prorates: bool
) -> None:
    """Apply changes of items; flat prices are prorated, metered ones billed until now."""
    is_trial = subscription["status"] == "trialing"
    if prorates and not is_trial:
        _prorate_changed(api, subscription, changes, at, sign=-1)
    for change in changes:
        _change_item(api, subscription, change, at)
    check_items(items_of(subscription))
    if prorates and not is_trial:
        _prorate_changed(api, subscription, changes, at, sign=1)


def _prorate_changed(
    api: Api, subscription: Resource, changes: list[Params], at: int, *, sign: int
) -> None:
    """Prorate the items that the changes name: before them as credits, after them as charges."""
    named = {change["id"] for change in changes if "id" in change}
    added = {change["price"] for change in changes if "id" not in change and "price" in change}
    for item in items_of(subscription):
        if item["id"] in named or item["price"]["id"] in added:
            add_proration(api, subscription, item, at, sign=sign)


def _change_item(api: Api, subscription: Resource, change: Params, at: int) -> None:
    items = items_of(subscription)
    if "id" not in change:
        period = (subscription["_start"], subscription["_end"])
        items.append(build_item(api, change, subscription["id"], period) | {"_usage_from": at})
        return
    item = next((item for item in items if item["id"] == change["id"]), None)
    if item is None:
        raise ApiError(
            f"No such subscription item: '{change['id']}'",
            code="resource_missing",
            param="items[0][id]",
        )
    if change.get("deleted"):
        if not change.get("clear_usage"):
            close_usage(subscription, item, at)
        items.remove(item)
        return
    _change_price(api, subscription, item, change, at)


def _change_price(
    api: Api, subscription: Resource, item: Resource, change: Params, at: int
) -> None:
    if "price" in change:
        close_usage(subscription, item, at)
        price = find_price(api, change)
        quantity = None if is_metered(price) else item.get("quantity")
        set_price(item, price, change.get("quantity", quantity))
        item["_usage_from"] = at
    elif "quantity" in change:
        set_price(item, api.store.get("price", item["price"]["id"]), change["quantity"])
    if "metadata" in change:
        item["metadata"] = merge_metadata(item["metadata"], change["metadata"])
