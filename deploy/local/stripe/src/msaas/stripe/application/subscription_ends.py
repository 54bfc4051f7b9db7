"""How a subscription ends, and the customer's deletion, which ends all of its subscriptions."""

from msaas.stripe.application.context import Api
from msaas.stripe.application.customers import get_customer
from msaas.stripe.application.customers import routes as customer_routes
from msaas.stripe.application.invoicing import create_invoice, end_unpaid
from msaas.stripe.application.routing import Params
from msaas.stripe.application.subscription_items import take_usage_lines
from msaas.stripe.domain.resources import Resource


@customer_routes.add("DELETE", "/v1/customers/{customer}")
def delete_customer(api: Api, _params: Params, identifier: str) -> Resource:
    """Delete the customer and end its subscriptions; its invoices stay."""
    customer = get_customer(api, identifier, "id")
    for subscription in list(api.store.list_by("subscription", "customer", identifier)):
        if not is_ended(subscription):
            end(api, subscription, reason=None, bills_usage=False)
    api.store.edit(identifier)["_deleted"] = True
    api.emit("customer.deleted", customer)
    return {"id": identifier, "object": "customer", "deleted": True}


def is_ended(subscription: Resource) -> bool:
    return subscription["status"] in {"canceled", "incomplete_expired"}


def end(api: Api, subscription: Resource, *, reason: str | None, bills_usage: bool) -> None:
    """End a subscription now; collection of its open invoices stops."""
    api.store.edit(subscription["id"])
    now = api.now(subscription)
    subscription.update(
        status="canceled",
        ended_at=now,
        canceled_at=subscription["canceled_at"] or now,
        pause_collection=None,
    )
    if reason:
        subscription["cancellation_details"] = {
            **subscription["cancellation_details"],
            "reason": reason,
        }
    _stop_collection(api, subscription)
    _complete_schedule(api, subscription)
    if bills_usage:
        bill_rest(api, subscription)
    api.emit("customer.subscription.deleted", subscription)


def bill_rest(api: Api, subscription: Resource) -> Resource | None:
    """Create the last invoice, if there is anything to bill."""
    now = api.now(subscription)
    customer = api.store.get("customer", subscription["customer"])
    is_trial = subscription["trial_end"] is not None and now <= subscription["trial_end"]
    lines = take_usage_lines(api, subscription, now, free=is_trial)
    pending = any(
        item["_subscription"] == subscription["id"] and item["invoice"] is None
        for item in api.store.list_by("invoiceitem", "customer", customer["id"])
    )
    if not pending and not any(line["amount"] or line["quantity"] for line in lines):
        return None
    invoice = create_invoice(
        api,
        customer,
        subscription,
        reason="subscription_cycle",
        lines=lines,
        period=(subscription["_start"], now),
    )
    subscription["latest_invoice"] = invoice["id"]
    return invoice


def expire_incomplete(api: Api, subscription: Resource) -> None:
    """End a subscription whose first invoice was not paid in time."""
    api.store.edit(subscription["id"])
    invoice = api.store.get("invoice", subscription["latest_invoice"])
    if invoice["status"] == "open":
        end_unpaid(api, invoice, "void", "voided")
    subscription.update(status="incomplete_expired", ended_at=api.now(subscription))
    api.emit("customer.subscription.deleted", subscription)


def _stop_collection(api: Api, subscription: Resource) -> None:
    for invoice in list(api.store.list_by("invoice", "_subscription", subscription["id"])):
        if invoice["status"] == "open":
            api.store.edit(invoice["id"]).update(auto_advance=False, next_payment_attempt=None)


def _complete_schedule(api: Api, subscription: Resource) -> None:
    if subscription["schedule"]:
        schedule = api.store.edit(subscription["schedule"])
        schedule.update(status="canceled", canceled_at=api.now(subscription), current_phase=None)
        api.emit("subscription_schedule.canceled", schedule)
        subscription["schedule"] = None
