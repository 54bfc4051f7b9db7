"""Subscriptions: creation, lookup, cancellation, pause and resumption."""

from typing import Any

from msaas.stripe.application.context import Api
from msaas.stripe.application.customers import get_customer
from msaas.stripe.application.invoicing import attempt_payment, create_invoice, finalize
from msaas.stripe.application.paging import PAGING, is_in_range, newest_first, page
from msaas.stripe.application.routing import Params, Routes
from msaas.stripe.application.subscription_cycle import pause, renew
from msaas.stripe.application.subscription_ends import bill_rest, end, is_ended
from msaas.stripe.application.subscription_items import (
    build_item,
    check_items,
    flat_lines,
    interval_of,
    items_of,
)
from msaas.stripe.application.unused_time import credit_unused_time
from msaas.stripe.domain.calendar import DAY, next_boundary
from msaas.stripe.domain.errors import ApiError, declined
from msaas.stripe.domain.resources import Resource, embedded_list, new_identifier, public

routes = Routes()

_STORED = "description default_payment_method payment_settings off_session "


@routes.add(
    "POST",
    "/v1/subscriptions",
    _STORED + "customer items metadata trial_end trial_period_days trial_settings "
    "cancel_at_period_end cancel_at billing_cycle_anchor proration_behavior payment_behavior "
    "billing_mode collection_method currency",
)
def create_subscription(api: Api, params: Params) -> Resource:
    if params.get("collection_method", "charge_automatically") != "charge_automatically":
        raise ApiError("The stand-in only charges automatically.", param="collection_method")
    customer = get_customer(api, params.get("customer", ""))
    subscription = _build(api, customer, params)
    api.emit("customer.subscription.created", subscription)
    invoice = _first_invoice(api, customer, subscription)
    _collect_first(api, invoice, params.get("payment_behavior", "allow_incomplete"))
    return public(subscription)


@routes.add("GET", "/v1/subscriptions/{subscription_exposed_id}")
def retrieve_subscription(api: Api, _params: Params, identifier: str) -> Resource:
    return public(api.store.get("subscription", identifier))


@routes.add("GET", "/v1/subscriptions", PAGING + "customer price status created test_clock")
def list_subscriptions(api: Api, params: Params) -> Resource:
    customer, status = params.get("customer"), params.get("status")
    found = (
        api.store.list_by("subscription", "customer", customer)
        if customer
        else api.store.list_kind("subscription")
    )
    listed = [
        subscription
        for subscription in newest_first(found)
        if _has_status(subscription, status)
        and _has_price(subscription, params.get("price"))
        and is_in_range(subscription["created"], params.get("created"))
        and (customer or subscription["test_clock"] == params.get("test_clock"))
    ]
    return page("/v1/subscriptions", listed, params)


@routes.add(
    "DELETE",
    "/v1/subscriptions/{subscription_exposed_id}",
    "invoice_now prorate cancellation_details",
)
def cancel_subscription(api: Api, params: Params, identifier: str) -> Resource:
    subscription = get_running(api, identifier)
    details: Params = params.get("cancellation_details") or {}
    api.store.edit(identifier)["cancellation_details"].update(details)
    if params.get("prorate") and subscription["status"] != "trialing":
        credit_unused_time(api, subscription, api.now(subscription))
    invoice = bill_rest(api, subscription) if params.get("invoice_now") else None
    end(api, subscription, reason="cancellation_requested", bills_usage=False)
    if invoice:
        finalize(api, invoice)
        if invoice["status"] == "open":
            attempt_payment(api, invoice)
    return public(subscription)


@routes.add("POST", "/v1/subscriptions/{subscription}/pause", "type bill_for invoicing_behavior")
def pause_subscription(api: Api, params: Params, identifier: str) -> Resource:
    subscription = get_running(api, identifier)
    if set(params) - {"type", "expand"}:
        raise ApiError("The stand-in pauses without an invoice only.", param="bill_for")
    if subscription["status"] == "paused":
        raise ApiError("The subscription is paused already.")
    pause(api, subscription, "pause_requested")
    return public(subscription)


@routes.add(
    "POST", "/v1/subscriptions/{subscription}/resume", "billing_cycle_anchor proration_behavior"
)
def resume_subscription(api: Api, _params: Params, identifier: str) -> Resource:
    """Begin a new period now, and charge it at once."""
    subscription = get_running(api, identifier)
    if subscription["status"] != "paused":
        raise ApiError("The subscription is not paused.")
    api.store.edit(identifier).update(status="active", status_details=None)
    for item in items_of(subscription):
        item["_usage_from"] = api.now(subscription)
    invoice = renew(api, subscription, anchor=api.now(subscription))
    finalize(api, invoice)
    if invoice["status"] == "open":
        attempt_payment(api, invoice)
    api.emit("customer.subscription.resumed", subscription)
    return public(subscription)


@routes.add("GET", "/v1/subscription_items", PAGING + "subscription")
def list_items(api: Api, params: Params) -> Resource:
    subscription = api.store.get("subscription", params["subscription"], "subscription")
    return page("/v1/subscription_items", items_of(subscription), params)


def get_running(api: Api, identifier: str) -> Resource:
    subscription = api.store.get("subscription", identifier)
    if is_ended(subscription):
        raise ApiError(
            f"No such subscription: '{identifier}'",
            status=404,
            code="resource_missing",
            param="id",
        )
    return subscription


def _build(api: Api, customer: Resource, params: Params) -> Resource:
    now = api.now(customer)
    identifier = new_identifier("sub_")
    trial_end = _trial_end(params, now)
    items = [build_item(api, given, identifier, (now, now)) for given in params.get("items", [])]
    check_items(items)
    anchor = trial_end or params.get("billing_cycle_anchor") or now
    period = (now, trial_end or next_boundary(anchor, *interval_of(items[0]), now))
    if anchor > now and not trial_end:
        raise ApiError(
            "The stand-in does not implement a future anchor.", param="billing_cycle_anchor"
        )
    for item in items:
        item.update(current_period_start=period[0], current_period_end=period[1])
    fields: dict[str, Any] = _fields(customer, params, now) | {
        "id": identifier,
        "billing_cycle_anchor": anchor,
        "currency": items[0]["price"]["currency"],
        "items": embedded_list(f"/v1/subscription_items?subscription={identifier}", items),
        "status": "trialing" if trial_end else "incomplete",
        "trial_end": trial_end,
        "trial_start": now if trial_end else None,
        "_start": period[0],
        "_end": period[1],
        "_usage_segments": [],
    }
    if fields["cancel_at_period_end"]:
        fields["cancel_at"] = period[1]
    if fields["cancel_at"]:
        fields["canceled_at"] = now
    if customer["currency"] is None:
        api.store.edit(customer["id"])["currency"] = fields["currency"]
    return api.new("subscription", "sub_", fields)


def _fields(customer: Resource, params: Params, now: int) -> dict[str, Any]:
    return {
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_mode": {
            "type": params.get("billing_mode", {}).get("type", "flexible"),
            "flexible": {"proration_discounts": "included"},
        },
        "billing_schedules": [],
        "cancel_at": params.get("cancel_at"),
        "cancel_at_period_end": params.get("cancel_at_period_end", False),
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": now,
        "customer": customer["id"],
        "default_payment_method": params.get("default_payment_method"),
        "default_tax_rates": [],
        "description": params.get("description"),
        "discounts": [],
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "metadata": params.get("metadata") or {},
        "payment_settings": params.get("payment_settings")
        or {"payment_method_options": None, "payment_method_types": None},
        "start_date": now,
        "test_clock": customer["test_clock"],
        "trial_settings": {
            "end_behavior": {
                "missing_payment_method": "create_invoice",
                **params.get("trial_settings", {}).get("end_behavior", {}),
            }
        },
    }


def _trial_end(params: Params, now: int) -> int | None:
    if params.get("trial_period_days"):
        return now + params["trial_period_days"] * DAY
    trial_end: int | str | None = params.get("trial_end")
    if trial_end is None or isinstance(trial_end, str):
        return None
    if trial_end <= now:
        raise ApiError("The trial_end must be in the future.", param="trial_end")
    return trial_end


def _first_invoice(api: Api, customer: Resource, subscription: Resource) -> Resource:
    """Create the first invoice, which is finalised at once."""
    period = (subscription["_start"], subscription["_end"])
    is_trial = subscription["status"] == "trialing"
    invoice = create_invoice(
        api,
        customer,
        subscription,
        reason="subscription_create",
        lines=flat_lines(api, subscription, period, trial=is_trial),
        period=(period[0], period[0]),
    )
    subscription["latest_invoice"] = invoice["id"]
    finalize(api, invoice)
    return invoice


def _collect_first(api: Api, invoice: Resource, behavior: str) -> None:
    if invoice["status"] != "open":
        return
    if behavior == "default_incomplete":
        return
    decline = attempt_payment(api, invoice)
    if decline and behavior == "error_if_incomplete":
        raise declined("Your card was declined.", code=decline, keeps_changes=False)


def _has_status(subscription: Resource, status: str | None) -> bool:
    if status == "all":
        return True
    if status == "ended":
        return is_ended(subscription)
    if status is None:
        return subscription["status"] != "canceled"
    return subscription["status"] == status


def _has_price(subscription: Resource, price: str | None) -> bool:
    return price is None or any(item["price"]["id"] == price for item in items_of(subscription))
