"""Changes of a subscription: its plan, its end, its trial, its collection."""

from typing import Any, Final

from msaas.stripe.application.context import Api
from msaas.stripe.application.customers import get_customer
from msaas.stripe.application.invoicing import attempt_payment, create_invoice, finalize
from msaas.stripe.application.item_changes import change_items
from msaas.stripe.application.routing import Params
from msaas.stripe.application.subscription_cycle import renew
from msaas.stripe.application.subscription_items import (
    close_usage,
    find_price,
    flat_lines,
    interval_of,
    items_of,
    set_period,
    take_closed_usage,
)
from msaas.stripe.application.subscriptions import get_running, routes
from msaas.stripe.application.unused_time import credit_unused_time
from msaas.stripe.domain.calendar import next_boundary
from msaas.stripe.domain.errors import ApiError, declined
from msaas.stripe.domain.resources import Resource, merge_metadata, public

_PLAIN: Final = ("description", "default_payment_method", "payment_settings", "trial_settings")


@routes.add(
    "POST",
    "/v1/subscriptions/{subscription_exposed_id}",
    "items metadata description default_payment_method payment_settings trial_settings "
    "cancel_at_period_end cancel_at cancellation_details trial_end pause_collection "
    "proration_behavior proration_date payment_behavior billing_cycle_anchor off_session",
)
def update_subscription(api: Api, params: Params, identifier: str) -> Resource:
    if params.get("payment_behavior") == "pending_if_incomplete":
        raise ApiError("The stand-in does not implement pending updates.", param="payment_behavior")
    subscription = get_running(api, identifier)
    before = public(subscription)
    api.store.edit(identifier)
    _set_plain(subscription, params)
    _set_cancellation(api, subscription, params)
    invoice = _change_plan(api, subscription, params)
    api.emit("customer.subscription.updated", subscription, before)
    if invoice is not None:
        _collect(api, invoice, params.get("payment_behavior", "allow_incomplete"))
    return public(subscription)


def _set_plain(subscription: Resource, params: Params) -> None:
    for name in _PLAIN:
        if name in params:
            subscription[name] = params[name] or None
    if "metadata" in params:
        subscription["metadata"] = merge_metadata(subscription["metadata"], params["metadata"])
    if "pause_collection" in params:
        pause = params["pause_collection"] or None
        subscription["pause_collection"] = pause and {"resumes_at": None, **pause}


def _set_cancellation(api: Api, subscription: Resource, params: Params) -> None:
    if "cancellation_details" in params:
        subscription["cancellation_details"].update(params["cancellation_details"] or {})
    if "cancel_at_period_end" in params:
        ends = params["cancel_at_period_end"]
        subscription["cancel_at_period_end"] = ends
        _set_cancel_at(api, subscription, subscription["_end"] if ends else None)
    elif "cancel_at" in params:
        subscription["cancel_at_period_end"] = False
        _set_cancel_at(api, subscription, params["cancel_at"] or None)


def _set_cancel_at(api: Api, subscription: Resource, at: Any) -> None:
    if isinstance(at, str):
        at = subscription["_end"]
    if at is not None and at <= api.now(subscription):
        raise ApiError("The cancel_at must be in the future.", param="cancel_at")
    subscription["cancel_at"] = at
    subscription["canceled_at"] = None if at is None else api.now(subscription)
    reason = None if at is None else "cancellation_requested"
    subscription["cancellation_details"]["reason"] = reason


def _change_plan(api: Api, subscription: Resource, params: Params) -> Resource | None:
    """Return the invoice that the change causes at once, if any."""
    behavior = params.get("proration_behavior", "create_prorations")
    now = api.now(subscription)
    at = params.get("proration_date", now)
    if not subscription["_start"] <= at <= subscription["_end"]:
        raise ApiError("The proration_date is outside of the period.", param="proration_date")
    changes = params.get("items", [])
    interval = interval_of(items_of(subscription)[0])
    resets = params.get("billing_cycle_anchor", {}).get("type") == "now"
    if changes and (resets or _changes_interval(api, changes, interval)):
        return _restart(api, subscription, changes, prorates=behavior != "none")
    if changes:
        change_items(api, subscription, changes, at, prorates=behavior != "none")
    elif resets:
        return _restart(api, subscription, [], prorates=behavior != "none")
    if "trial_end" in params:
        return _change_trial(api, subscription, params["trial_end"])
    if changes and behavior == "always_invoice" and subscription["status"] != "trialing":
        return _invoice_change(api, subscription, [])
    return None


def _changes_interval(api: Api, changes: list[Params], interval: tuple[str, int]) -> bool:
    prices = [find_price(api, change) for change in changes if "price" in change]
    return any(interval_of({"price": price}) != interval for price in prices)


def _restart(
    api: Api, subscription: Resource, changes: list[Params], *, prorates: bool
) -> Resource:
    """Begin a new period now: the rest of the old one is credited, the new one charged."""
    now = api.now(subscription)
    if prorates and subscription["status"] != "trialing":
        credit_unused_time(api, subscription, now)
    change_items(api, subscription, changes, now, prorates=False)
    for item in items_of(subscription):
        close_usage(subscription, item, now)
    interval = interval_of(items_of(subscription)[0])
    period = (now, next_boundary(now, *interval, now))
    subscription["billing_cycle_anchor"] = now
    set_period(subscription, period)
    if subscription["status"] == "trialing":
        subscription.update(status="active", trial_end=now)
    return _invoice_change(api, subscription, flat_lines(api, subscription, period))


def _change_trial(api: Api, subscription: Resource, trial_end: Any) -> Resource | None:
    now = api.now(subscription)
    if trial_end == "now":
        if subscription["status"] != "trialing":
            return None
        subscription["trial_end"] = now
        return renew(api, subscription, anchor=now)
    if trial_end <= now:
        raise ApiError("The trial_end must be in the future.", param="trial_end")
    if subscription["status"] != "trialing":
        raise ApiError("The stand-in extends a running trial only.", param="trial_end")
    subscription.update(trial_end=trial_end, billing_cycle_anchor=trial_end, _trial_noticed=False)
    set_period(subscription, (subscription["_start"], trial_end))
    return None


def _invoice_change(api: Api, subscription: Resource, lines: list[Resource]) -> Resource:
    customer = get_customer(api, subscription["customer"])
    usage = take_closed_usage(api, subscription)
    invoice = create_invoice(
        api,
        customer,
        subscription,
        reason="subscription_update",
        lines=[*usage, *lines],
        period=(subscription["_start"], api.now(subscription)),
    )
    subscription["latest_invoice"] = invoice["id"]
    return invoice


def _collect(api: Api, invoice: Resource, behavior: str) -> None:
    finalize(api, invoice)
    if invoice["status"] != "open":
        return
    decline = attempt_payment(api, invoice)
    if decline and behavior == "error_if_incomplete":
        raise declined("Your card was declined.", code=decline, keeps_changes=False)
