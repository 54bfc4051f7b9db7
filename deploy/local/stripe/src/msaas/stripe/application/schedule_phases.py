"""The phases of a subscription schedule, as they come due."""

from typing import Any, Final

from msaas.stripe.application.context import Api
from msaas.stripe.application.item_changes import change_items
from msaas.stripe.application.routing import Params
from msaas.stripe.application.subscription_ends import end
from msaas.stripe.application.subscription_items import find_price, interval_of, items_of
from msaas.stripe.domain.calendar import boundary
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.domain.resources import Resource, public

_PHASE_PARAMS: Final = frozenset(
    {"items", "start_date", "end_date", "duration", "proration_behavior", "metadata"}
)


def phase_end(subscription: Resource) -> int | None:
    return subscription.get("_phase_end")


def apply_due_phase(api: Api, subscription: Resource) -> bool:
    """Begin the next phase if the current one is over; return whether it was."""
    at = phase_end(subscription)
    if at is None or at > api.now(subscription):
        return False
    schedule = api.store.edit(subscription["schedule"])
    api.store.edit(subscription["id"])
    following = [phase for phase in schedule["phases"] if phase["start_date"] >= at]
    if following:
        _begin(api, subscription, schedule, following[0])
    elif schedule["end_behavior"] == "cancel":
        subscription["_phase_end"] = None
        end(api, subscription, reason=None, bills_usage=True)
    else:
        release(api, subscription, schedule)
    return True


def release(api: Api, subscription: Resource, schedule: Resource) -> None:
    """Let the subscription go on without its schedule."""
    before = public(subscription)
    api.store.edit(schedule["id"]).update(
        status="released",
        released_at=api.now(subscription),
        released_subscription=subscription["id"],
        current_phase=None,
        subscription=None,
    )
    api.store.edit(subscription["id"]).update(schedule=None, _phase_end=None)
    api.emit("subscription_schedule.released", schedule)
    api.emit("customer.subscription.updated", subscription, before)


def current_phase(subscription: Resource) -> Resource:
    return build_phase(
        {"items": [_phase_item(item) for item in items_of(subscription)]},
        subscription["_start"],
        subscription["_end"],
    )


def read_phases(api: Api, subscription: Resource, given: list[Params]) -> list[Resource]:
    """Read phases that follow each other without a gap, the first being the current one."""
    phases: list[Resource] = []
    start = given[0].get("start_date", subscription["_start"])
    if start == "now":
        start = api.now(subscription)
    for params in given:
        if unknown := set(params) - _PHASE_PARAMS:
            raise ApiError(
                f"The stand-in does not implement phases with {min(unknown)}.", param="phases"
            )
        if params.get("start_date", start) not in {start, "now"}:
            raise ApiError("The phases must follow each other.", param="phases")
        finish = _end_of(api, params, start)
        phases.append(build_phase(params, start, finish))
        start = finish
    return phases


def build_phase(params: Params, start: int, finish: int) -> Resource:
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "billing_cycle_anchor": None,
        "billing_thresholds": None,
        "collection_method": None,
        "currency": "usd",
        "default_payment_method": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "end_date": finish,
        "invoice_settings": None,
        "items": [_served_item(item) for item in params["items"]],
        "metadata": params.get("metadata") or {},
        "on_behalf_of": None,
        "proration_behavior": params.get("proration_behavior", "create_prorations"),
        "start_date": start,
        "transfer_data": None,
        "trial_end": None,
    }


def _begin(api: Api, subscription: Resource, schedule: Resource, phase: Resource) -> None:
    before = public(subscription)
    now = api.now(subscription)
    former = interval_of(items_of(subscription)[0])
    prorates = phase["proration_behavior"] != "none" and now < subscription["_end"]
    change_items(api, subscription, _changes(subscription, phase["items"]), now, prorates=prorates)
    if interval_of(items_of(subscription)[0]) != former:
        subscription["billing_cycle_anchor"] = now
    subscription["metadata"] |= phase["metadata"]
    subscription["_phase_end"] = phase["end_date"]
    schedule["current_phase"] = {
        "start_date": phase["start_date"],
        "end_date": phase["end_date"],
    }
    api.emit("subscription_schedule.updated", schedule)
    api.emit("customer.subscription.updated", subscription, before)


def _changes(subscription: Resource, planned: list[Resource]) -> list[Params]:
    """Return the changes that make the items those of the phase."""
    changes: list[Params] = []
    remaining = {item["price"]["id"]: item for item in items_of(subscription)}
    added = [item for item in planned if item["price"] not in remaining]
    for item in planned:
        kept = remaining.pop(item["price"], None)
        if kept and item.get("quantity") != kept.get("quantity"):
            changes.append({"id": kept["id"], "quantity": item["quantity"]})
    changes += [{"id": item["id"], "deleted": True} for item in remaining.values()]
    return changes + [_phase_item({"price": {"id": item["price"]}} | item) for item in added]


def _phase_item(item: Resource) -> Params:
    price = item["price"]
    given: dict[str, Any] = {"price": price if isinstance(price, str) else price["id"]}
    return given | ({"quantity": item["quantity"]} if "quantity" in item else {})


def _served_item(item: Params) -> Resource:
    served: Resource = {
        "billing_thresholds": None,
        "discounts": [],
        "metadata": item.get("metadata") or {},
        "plan": item["price"],
        "price": item["price"],
        "tax_rates": [],
    }
    return served | ({"quantity": item["quantity"]} if "quantity" in item else {})


def _end_of(api: Api, params: Params, start: int) -> int:
    if isinstance(params.get("end_date"), int):
        return params["end_date"]
    recurring = find_price(api, params["items"][0])["recurring"]
    length = params.get("duration", recurring)
    return boundary(start, length["interval"], length.get("interval_count", 1), 1)
