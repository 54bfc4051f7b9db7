"""Checkout sessions of subscriptions, completed on the hosted page."""

from decimal import Decimal
from typing import Any, Final

from msaas.stripe.application.context import Api
from msaas.stripe.application.customers import create_customer, get_customer
from msaas.stripe.application.invoice_lines import is_metered
from msaas.stripe.application.invoicing import attempt_payment
from msaas.stripe.application.paging import PAGING, is_in_range, newest_first, page
from msaas.stripe.application.payments import attach, new_card
from msaas.stripe.application.routing import Params, Routes
from msaas.stripe.application.subscription_items import find_price
from msaas.stripe.application.subscriptions import create_subscription
from msaas.stripe.domain.calendar import DAY, HOUR
from msaas.stripe.domain.errors import ApiError, check_url
from msaas.stripe.domain.pricing import price_amount
from msaas.stripe.domain.resources import Resource, embedded_list, new_identifier, public

routes = Routes()

_LIFE: Final = DAY
_MIN_LIFE: Final = HOUR // 2
_STORED: Final = (
    *("success_url", "cancel_url", "client_reference_id", "customer_email", "locale"),
    *("billing_address_collection", "allow_promotion_codes", "payment_method_collection"),
    *("submit_type", "customer_creation", "return_url"),
)
_SUBSCRIPTION_DATA: Final = frozenset(
    {"metadata", "description", "trial_period_days", "trial_end", "trial_settings", "billing_mode"}
)


@routes.add(
    "POST",
    "/v1/checkout/sessions",
    " ".join(_STORED) + " mode line_items customer metadata subscription_data expires_at ui_mode"
    " automatic_tax tax_id_collection customer_update currency",
)
def create_session(api: Api, params: Params) -> Resource:
    if params.get("mode") != "subscription":
        raise ApiError("The stand-in implements the mode subscription only.", param="mode")
    if params.get("ui_mode", "hosted_page") != "hosted_page":
        raise ApiError("The stand-in implements the hosted page only.", param="ui_mode")
    for name in ("success_url", "cancel_url"):
        check_url(params.get(name, "http:"), name)
    customer = get_customer(api, params["customer"]) if "customer" in params else None
    _check_subscription_data(params.get("subscription_data", {}))
    now = api.now(customer)
    expires_at = params.get("expires_at", now + _LIFE)
    if not now + _MIN_LIFE <= expires_at <= now + _LIFE:
        raise ApiError("The expires_at must be 30 minutes to 24 hours ahead.", param="expires_at")
    items = [_line_item(api, given) for given in params.get("line_items", [])]
    if not items:
        raise ApiError("Missing required param: line_items.", code="parameter_missing")
    session = api.new("checkout.session", "cs_test_", _fields(customer, params, items, now))
    session["expires_at"] = expires_at
    session["url"] = f"{api.public_url}/checkout/{session['id']}"
    return public(session)


@routes.add("GET", "/v1/checkout/sessions/{session}")
def retrieve_session(api: Api, _params: Params, identifier: str) -> Resource:
    return public(api.store.get("checkout.session", identifier))


@routes.add("GET", "/v1/checkout/sessions", PAGING + "customer subscription status created")
def list_sessions(api: Api, params: Params) -> Resource:
    listed = [
        session
        for session in newest_first(api.store.list_kind("checkout.session"))
        if all(
            params.get(name) in {None, session[name]}
            for name in ("customer", "subscription", "status")
        )
        and is_in_range(session["created"], params.get("created"))
    ]
    return page("/v1/checkout/sessions", listed, params)


@routes.add("GET", "/v1/checkout/sessions/{session}/line_items", PAGING)
def list_line_items(api: Api, params: Params, identifier: str) -> Resource:
    session = api.store.get("checkout.session", identifier)
    return page(f"/v1/checkout/sessions/{identifier}/line_items", session["_line_items"], params)


@routes.add("POST", "/v1/checkout/sessions/{session}/expire")
def expire_session(api: Api, _params: Params, identifier: str) -> Resource:
    session = api.store.get("checkout.session", identifier)
    if session["status"] != "open":
        raise ApiError("Only an open session can be expired.")
    _expire(api, session)
    return public(session)


def complete(
    api: Api, session: Resource, *, number: str, email: str | None, settles_later: bool = False
) -> Resource:
    """Subscribe the customer with a card; a declined card changes nothing."""
    if session["status"] != "open":
        raise ApiError("This checkout session is no longer open.")
    api.store.edit(session["id"])
    customer = _customer_of(api, session, email)
    method = attach(api, new_card(api, number, customer)["id"], customer)
    data: Params = session["_subscription_data"]
    subscription = create_subscription(
        api,
        {
            **data,
            "customer": customer["id"],
            "items": session["_items"],
            "default_payment_method": method["id"],
            "payment_behavior": "default_incomplete" if settles_later else "error_if_incomplete",
        },
    )
    invoice = api.store.get("invoice", subscription["latest_invoice"])
    session.update(
        status="complete",
        customer=customer["id"],
        subscription=subscription["id"],
        invoice=invoice["id"],
        payment_status="paid" if invoice["status"] == "paid" else "unpaid",
        url=None,
        customer_details={
            "address": None,
            "email": customer["email"],
            "name": customer["name"],
            "phone": None,
            "tax_exempt": "none",
            "tax_ids": [],
        },
    )
    api.emit("checkout.session.completed", session)
    return session


def settle(api: Api, session: Resource, *, succeeds: bool) -> None:
    """End a delayed payment, such as a bank debit."""
    invoice = api.store.get("invoice", session["invoice"])
    api.store.edit(session["id"])
    customer = api.store.edit(session["customer"])
    former = customer.get("_payments_fail")
    customer["_payments_fail"] = None if succeeds else "payment_method_provider_decline"
    attempt_payment(api, invoice)
    customer["_payments_fail"] = former
    if succeeds:
        session["payment_status"] = "paid"
    outcome = "succeeded" if succeeds else "failed"
    api.emit(f"checkout.session.async_payment_{outcome}", session)


def next_due(session: Resource) -> int | None:
    return session["expires_at"] if session["status"] == "open" else None


def run_due(api: Api, session: Resource) -> None:
    _expire(api, session)


def _expire(api: Api, session: Resource) -> None:
    api.store.edit(session["id"]).update(status="expired", url=None)
    api.emit("checkout.session.expired", session)


def _fields(
    customer: Resource | None, params: Params, items: list[Resource], now: int
) -> dict[str, Any]:
    total = sum(item["amount_total"] for item in items)
    trial = params.get("subscription_data", {})
    due = 0 if "trial_period_days" in trial or "trial_end" in trial else total
    return {
        **{name: params[name] for name in _STORED if name in params},
        "amount_subtotal": total,
        "amount_total": due,
        "automatic_tax": {
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "created": now,
        "currency": items[0]["currency"],
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer": customer["id"] if customer else None,
        "customer_details": None,
        "metadata": params.get("metadata") or {},
        "mode": "subscription",
        "payment_method_collection": params.get("payment_method_collection", "always"),
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "shipping_options": [],
        "status": "open",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "_items": [_given_item(given) for given in params["line_items"]],
        "_line_items": items,
        "_subscription_data": params.get("subscription_data", {}),
        "_test_clock": customer["test_clock"] if customer else None,
    }


def _check_subscription_data(data: Params) -> None:
    if unknown := set(data) - _SUBSCRIPTION_DATA:
        raise ApiError(
            f"The stand-in does not implement the parameter subscription_data[{min(unknown)}].",
            param=f"subscription_data[{min(unknown)}]",
        )


def _given_item(given: Params) -> Params:
    return {name: given[name] for name in ("price", "quantity") if name in given}


def _line_item(api: Api, given: Params) -> Resource:
    if unknown := set(given) - {"price", "quantity", "metadata"}:
        raise ApiError(
            f"The stand-in does not implement line items with {min(unknown)}.",
            param="line_items",
        )
    price = find_price(api, given)
    metered = is_metered(price)
    if metered == ("quantity" in given):
        raise ApiError(
            "A metered price has no quantity, and every other price needs one.",
            param="line_items[0][quantity]",
        )
    amount = 0 if metered else price_amount(price, Decimal(given["quantity"]))
    product = api.store.get("product", price["product"])
    return {
        "id": new_identifier("li_"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": product["name"],
        "metadata": given.get("metadata") or {},
        "price": public(price),
        "quantity": given.get("quantity"),
    }


def _customer_of(api: Api, session: Resource, email: str | None) -> Resource:
    if session["customer"]:
        return get_customer(api, session["customer"])
    created = create_customer(api, {"email": email or session["customer_email"]})
    return api.store.get("customer", created["id"])


def line_items_of(session: Resource) -> Resource:
    url = f"/v1/checkout/sessions/{session['id']}/line_items"
    return embedded_list(url, [public(item) for item in session["_line_items"]])
