"""Previews of invoices: what would happen is done, read and rolled back."""

from msaas.stripe.application.context import Api
from msaas.stripe.application.customers import get_customer
from msaas.stripe.application.invoice_lines import read_usage
from msaas.stripe.application.invoices import routes as invoice_routes
from msaas.stripe.application.invoicing import compute_totals
from msaas.stripe.application.routing import Params, Routes
from msaas.stripe.application.subscription_changes import update_subscription
from msaas.stripe.application.subscription_cycle import renew
from msaas.stripe.application.subscription_ends import bill_rest
from msaas.stripe.application.subscriptions import create_subscription, get_running
from msaas.stripe.application.timeline import domain_of
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.domain.resources import Resource, public

routes: Routes = invoice_routes

_CHANGES = {"items", "proration_behavior", "proration_date", "trial_end", "billing_cycle_anchor"}


@routes.add("POST", "/v1/invoices/create_preview", "customer subscription subscription_details")
def create_preview(api: Api, params: Params) -> Resource:
    """Show the next invoice with the usage that the meters have aggregated by now."""
    details = params.get("subscription_details", {})
    if unknown := set(details) - _CHANGES - {"cancel_at_period_end", "cancel_at"}:
        name = min(unknown)
        raise ApiError(
            f"The stand-in does not implement the parameter subscription_details[{name}].",
            param=f"subscription_details[{name}]",
        )
    if "subscription" in params:
        invoice = _preview_next(api, params["subscription"], details)
    else:
        invoice = _preview_first(api, params, details)
    for line in invoice["lines"]["data"]:
        read_usage(api, line, visible_only=True)
    compute_totals(invoice)
    shown = public(invoice)
    api.store.abandon()
    return shown | {"id": f"upcoming_{shown['id']}"}


def _preview_first(api: Api, params: Params, details: Params) -> Resource:
    customer = get_customer(api, params.get("customer", ""))
    given = {name: value for name, value in details.items() if name in {"items", "trial_end"}}
    created = create_subscription(
        api, {**given, "customer": customer["id"], "payment_behavior": "default_incomplete"}
    )
    return api.store.get("invoice", created["latest_invoice"])


def _preview_next(api: Api, identifier: str, details: Params) -> Resource:
    subscription = get_running(api, identifier)
    latest = subscription["latest_invoice"]
    if details:
        update_subscription(api, details, identifier)
        if subscription["latest_invoice"] != latest:
            return api.store.get("invoice", subscription["latest_invoice"])
    return _renewal(api, subscription)


def _renewal(api: Api, subscription: Resource) -> Resource:
    """Run the end of the period: the renewal, or the last invoice of a cancelled subscription."""
    domain = domain_of(subscription)
    api.timeline.run_at(domain, subscription["cancel_at"] or subscription["_end"])
    try:
        if subscription["cancel_at"] is None:
            trial = subscription["status"] == "trialing"
            return renew(api, subscription, anchor=subscription["_end"] if trial else None)
        last = bill_rest(api, subscription)
    finally:
        api.timeline.end_run(domain)
    if last is None:
        raise ApiError(
            "No upcoming invoices for customer.", status=404, code="invoice_upcoming_none"
        )
    return last
