"""What happens to a subscription by itself: renewal, end of trial, cancellation, dunning."""

from typing import Final

from msaas.stripe.application.context import Api
from msaas.stripe.application.invoicing import create_invoice, find_method
from msaas.stripe.application.schedule_phases import apply_due_phase, phase_end
from msaas.stripe.application.subscription_ends import end, expire_incomplete, is_ended
from msaas.stripe.application.subscription_items import (
    flat_lines,
    interval_of,
    items_of,
    set_period,
    take_usage_lines,
)
from msaas.stripe.domain.calendar import DAY, HOUR, next_boundary
from msaas.stripe.domain.resources import Resource, public

_TRIAL_NOTICE: Final = 3 * DAY
_INCOMPLETE_FOR: Final = 23 * HOUR
_UNCOLLECTED: Final = frozenset({"past_due", "unpaid", "incomplete"})


def next_due(subscription: Resource) -> int | None:
    """Return when the subscription next changes by itself."""
    if is_ended(subscription):
        return None
    if subscription["status"] == "incomplete":
        return subscription["created"] + _INCOMPLETE_FOR
    times = [subscription["cancel_at"], _resumption(subscription)]
    if subscription["status"] != "paused":
        times += [subscription["_end"], phase_end(subscription), _trial_notice(subscription)]
    return min((at for at in times if at is not None), default=None)


def run_due(api: Api, subscription: Resource) -> None:
    """Make the one change that is due first."""
    now = api.now(subscription)
    if subscription["status"] == "incomplete":
        expire_incomplete(api, subscription)
    elif _is_due(_trial_notice(subscription), now):
        api.store.edit(subscription["id"])["_trial_noticed"] = True
        api.emit("customer.subscription.trial_will_end", subscription)
    elif _is_due(_resumption(subscription), now):
        before = public(subscription)
        api.store.edit(subscription["id"])["pause_collection"] = None
        api.emit("customer.subscription.updated", subscription, before)
    elif _is_due(subscription["cancel_at"], now):
        end(api, subscription, reason="cancellation_requested", bills_usage=True)
    elif not apply_due_phase(api, subscription) and subscription["_end"] <= now:
        _renew_or_end_trial(api, subscription)


def renew(api: Api, subscription: Resource, *, anchor: int | None = None) -> Resource:
    """Begin the next period now, and bill the usage of the last one."""
    api.store.edit(subscription["id"])
    before = public(subscription)
    now = api.now(subscription)
    last = (subscription["_start"], now)
    was_trial = subscription["status"] == "trialing"
    if anchor is not None:
        subscription["billing_cycle_anchor"] = anchor
    usage = take_usage_lines(api, subscription, now, free=was_trial)
    interval, count = interval_of(items_of(subscription)[0])
    period = (now, next_boundary(subscription["billing_cycle_anchor"], interval, count, now))
    set_period(subscription, period)
    if was_trial:
        subscription["status"] = "active"
    pause = subscription["pause_collection"]
    held = subscription["status"] == "unpaid" or (pause and pause["behavior"] == "keep_as_draft")
    invoice = create_invoice(
        api,
        api.store.get("customer", subscription["customer"]),
        subscription,
        reason="subscription_cycle",
        lines=[*usage, *flat_lines(api, subscription, period)],
        period=last,
        auto_advance=not held,
    )
    subscription["latest_invoice"] = invoice["id"]
    api.emit("customer.subscription.updated", subscription, before)
    return invoice


def on_payment(api: Api, invoice: Resource, *, paid: bool) -> None:
    """Apply the outcome of an invoice to the customer and the subscription."""
    _mark_delinquent(api, invoice, delinquent=not paid)
    identifier = invoice["_subscription"]
    subscription = api.store.find("subscription", identifier) if identifier else None
    if subscription is None or is_ended(subscription):
        return
    if paid:
        _recover(api, subscription, invoice)
    else:
        _fall_behind(api, subscription, invoice)


def set_status(api: Api, subscription: Resource, status: str) -> None:
    before = public(subscription)
    api.store.edit(subscription["id"])["status"] = status
    api.emit("customer.subscription.updated", subscription, before)


def _renew_or_end_trial(api: Api, subscription: Resource) -> None:
    if subscription["status"] != "trialing":
        renew(api, subscription)
        return
    behavior = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    has_method = find_method(
        api, {"_subscription": subscription["id"], "customer": subscription["customer"]}
    )
    if has_method or behavior == "create_invoice":
        renew(api, subscription, anchor=api.now(subscription))
    elif behavior == "cancel":
        end(api, subscription, reason=None, bills_usage=False)
    else:
        pause(api, subscription, "trial_end_without_payment_method")


def pause(api: Api, subscription: Resource, cause: str) -> None:
    before = public(subscription)
    api.store.edit(subscription["id"]).update(
        status="paused",
        status_details={
            "paused": {
                "subscription": {"type": cause},
                "transitioned_at": api.now(subscription),
                "type": "subscription",
            }
        },
    )
    api.emit("customer.subscription.paused", subscription)
    api.emit("customer.subscription.updated", subscription, before)


def _recover(api: Api, subscription: Resource, invoice: Resource) -> None:
    if subscription["status"] not in _UNCOLLECTED:
        return
    others = api.store.list_by("invoice", "_subscription", subscription["id"])
    if any(other["status"] == "open" for other in others if other is not invoice):
        return
    set_status(api, subscription, "active")


def _fall_behind(api: Api, subscription: Resource, invoice: Resource) -> None:
    if subscription["status"] == "active":
        set_status(api, subscription, "past_due")
    is_last = invoice["next_payment_attempt"] is None and invoice["auto_advance"]
    if subscription["status"] != "past_due" or not is_last:
        return
    if api.controls.after_dunning == "canceled":
        end(api, subscription, reason="payment_failed", bills_usage=False)
    elif api.controls.after_dunning == "unpaid":
        set_status(api, subscription, "unpaid")


def _mark_delinquent(api: Api, invoice: Resource, *, delinquent: bool) -> None:
    customer = api.store.get("customer", invoice["customer"])
    if customer["delinquent"] != delinquent:
        before = public(customer)
        api.store.edit(customer["id"])["delinquent"] = delinquent
        api.emit("customer.updated", customer, before)


def _is_due(at: int | None, now: int) -> bool:
    return at is not None and at <= now


def _trial_notice(subscription: Resource) -> int | None:
    if subscription["status"] != "trialing" or subscription.get("_trial_noticed"):
        return None
    return max(subscription["created"], subscription["trial_end"] - _TRIAL_NOTICE)


def _resumption(subscription: Resource) -> int | None:
    pause = subscription["pause_collection"]
    return pause["resumes_at"] if pause else None
