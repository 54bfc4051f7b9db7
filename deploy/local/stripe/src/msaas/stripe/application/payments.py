"""Payment methods and the charges of invoices: test cards decide what succeeds."""

from typing import Any, Final

from msaas.stripe.application.context import Api
from msaas.stripe.application.paging import PAGING, is_in_range, newest_first, page
from msaas.stripe.application.routing import Params, Routes
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.domain.resources import Resource, merge_metadata, new_identifier, public

routes = Routes()

# Stripe's test cards: the number, and whether attaching or charging is declined.
CARDS: Final = {
    "4242424242424242": ("visa", None, None),
    "5555555555554444": ("mastercard", None, None),
    "4000000000000002": ("visa", "card_declined", "card_declined"),
    "4000000000009995": ("visa", "insufficient_funds", "insufficient_funds"),
    "4000000000000341": ("visa", None, "card_declined"),
}
_TEST_METHODS: Final = {
    "pm_card_visa": "4242424242424242",
    "pm_card_mastercard": "5555555555554444",
    "pm_card_chargeCustomerFail": "4000000000000341",
    "pm_card_visa_chargeDeclined": "4000000000000002",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "4000000000009995",
}


@routes.add("GET", "/v1/payment_methods/{payment_method}")
def retrieve_method(api: Api, _params: Params, identifier: str) -> Resource:
    return public(api.store.get("payment_method", identifier))


@routes.add("POST", "/v1/payment_methods", "type card billing_details metadata")
def create_method(api: Api, params: Params) -> Resource:
    card = params.get("card", {})
    token = card.get("token", "tok_visa")
    number = card.get("number") or _TEST_METHODS.get(token.replace("tok_", "pm_card_", 1), "")
    return public(new_card(api, number or "4242424242424242", None))


@routes.add("POST", "/v1/payment_methods/{payment_method}/attach", "customer")
def attach_method(api: Api, params: Params, identifier: str) -> Resource:
    customer = api.store.get("customer", params["customer"], "customer")
    method = find_test_method(api, identifier, None) or identifier
    return public(attach(api, method, customer))


@routes.add("POST", "/v1/payment_methods/{payment_method}/detach")
def detach_method(api: Api, _params: Params, identifier: str) -> Resource:
    method = api.store.get("payment_method", identifier)
    api.store.edit(identifier)["customer"] = None
    api.emit("payment_method.detached", method)
    return public(method)


@routes.add("GET", "/v1/payment_methods", PAGING + "customer type")
def list_methods(api: Api, params: Params) -> Resource:
    methods = newest_first(api.store.list_kind("payment_method"))
    found = [
        method
        for method in methods
        if method["customer"] is not None
        and params.get("customer") in {None, method["customer"]}
        and params.get("type") in {None, method["type"]}
    ]
    return page("/v1/payment_methods", found, params)


@routes.add("GET", "/v1/payment_intents/{intent}")
def retrieve_intent(api: Api, _params: Params, identifier: str) -> Resource:
    return public(api.store.get("payment_intent", identifier))


@routes.add("GET", "/v1/payment_intents", PAGING + "customer created")
def list_intents(api: Api, params: Params) -> Resource:
    return page("/v1/payment_intents", _of_customer(api, "payment_intent", params), params)


@routes.add("GET", "/v1/charges/{charge}")
def retrieve_charge(api: Api, _params: Params, identifier: str) -> Resource:
    return public(api.store.get("charge", identifier))


@routes.add("POST", "/v1/charges/{charge}", "metadata description")
def update_charge(api: Api, params: Params, identifier: str) -> Resource:
    charge = api.store.get("charge", identifier)
    before = public(charge)
    api.store.edit(identifier)
    charge["metadata"] = merge_metadata(charge["metadata"], params.get("metadata", {}))
    charge["description"] = params.get("description", charge["description"])
    api.emit("charge.updated", charge, before)
    return public(charge)


@routes.add("GET", "/v1/charges", PAGING + "customer created payment_intent")
def list_charges(api: Api, params: Params) -> Resource:
    found = [
        charge
        for charge in _of_customer(api, "charge", params)
        if params.get("payment_intent") in {None, charge["payment_intent"]}
    ]
    return page("/v1/charges", found, params)


def find_test_method(api: Api, name: str, customer: Resource | None) -> str | None:
    """Create the payment method that one of Stripe's test names stands for."""
    if name not in _TEST_METHODS:
        return None
    method = new_card(api, _TEST_METHODS[name], customer)
    if customer is not None:
        attach(api, method["id"], customer)
    return method["id"]


def new_card(api: Api, number: str, customer: Resource | None) -> Resource:
    brand, attach_decline, charge_decline = CARDS.get(number, ("visa", None, "card_declined"))
    fields: dict[str, Any] = {
        "allow_redisplay": "always",
        "billing_details": {
            "address": None,
            "email": customer["email"] if customer else None,
            "name": customer["name"] if customer else None,
            "phone": None,
            "tax_id": None,
        },
        "card": {
            "brand": brand,
            "checks": None,
            "country": "US",
            "display_brand": brand,
            "exp_month": 12,
            "exp_year": 2099,
            "fingerprint": number[-8:],
            "funding": "credit",
            "generated_from": None,
            "last4": number[-4:],
            "networks": None,
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": api.now(customer),
        "metadata": {},
        "type": "card",
        "_attach_decline": attach_decline,
        "_charge_decline": charge_decline,
    }
    method = api.new("payment_method", "pm_", fields)
    # A method has the fields of its own type only.
    for name in [name for name, value in method.items() if value is None]:
        if name != "customer" and not name.startswith("_"):
            del method[name]
    return method


def attach(api: Api, identifier: str, customer: Resource) -> Resource:
    method = api.store.get("payment_method", identifier, "payment_method")
    if method["_attach_decline"]:
        raise ApiError(
            "Your card was declined.", status=402, error_type="card_error", code="card_declined"
        )
    if method["customer"] not in {None, customer["id"]}:
        raise ApiError("The payment method belongs to another customer.", param="payment_method")
    if method["customer"] is None:
        api.store.edit(identifier)["customer"] = customer["id"]
        api.store.reindex(identifier)
        api.emit("payment_method.attached", method)
    return method


def charge_invoice(api: Api, invoice: Resource, method: Resource | None) -> str | None:
    """Charge what remains of an invoice; return the reason of a decline."""
    customer = api.store.get("customer", invoice["customer"])
    decline = _find_decline(customer, method)
    intent = _intent(api, invoice, method, decline)
    if method is not None:
        charge = _charge(api, invoice, intent, method, decline)
        intent["latest_charge"] = charge["id"]
        api.emit("charge.failed" if decline else "charge.succeeded", charge)
    api.emit("payment_intent.payment_failed" if decline else "payment_intent.succeeded", intent)
    _link_payment(api, invoice, intent, paid=not decline)
    return decline


def _find_decline(customer: Resource, method: Resource | None) -> str | None:
    if method is None:
        return "no_payment_method"
    return customer.get("_payments_fail") or method["_charge_decline"]


def _intent(api: Api, invoice: Resource, method: Resource | None, decline: str | None) -> Resource:
    amount = invoice["amount_remaining"]
    fields: dict[str, Any] = {
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0 if decline else amount,
        "capture_method": "automatic",
        "client_secret": new_identifier("pi_secret_"),
        "confirmation_method": "automatic",
        "created": api.now(invoice),
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "metadata": {},
        "payment_method": method["id"] if method else None,
        "payment_method_types": ["card"],
        "status": "requires_payment_method" if decline else "succeeded",
        "last_payment_error": {"type": "card_error", "code": decline, "message": _DECLINED}
        if decline
        else None,
    }
    return api.new("payment_intent", "pi_", fields)


_DECLINED: Final = "Your card was declined."


def _charge(
    api: Api, invoice: Resource, intent: Resource, method: Resource, decline: str | None
) -> Resource:
    fields: dict[str, Any] = {
        "amount": intent["amount"],
        "amount_captured": intent["amount_received"],
        "amount_refunded": 0,
        "billing_details": method["billing_details"],
        "captured": not decline,
        "created": api.now(invoice),
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "disputed": False,
        "failure_code": decline,
        "failure_message": _DECLINED if decline else None,
        "metadata": {},
        "paid": not decline,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "refunded": False,
        "status": "failed" if decline else "succeeded",
    }
    return api.new("charge", "ch_", fields)


def _link_payment(api: Api, invoice: Resource, intent: Resource, *, paid: bool) -> None:
    now = api.now(invoice)
    for earlier in list(api.store.list_by("invoice_payment", "invoice", invoice["id"])):
        if earlier["status"] == "open":
            api.store.edit(earlier["id"]).update(
                status="canceled", status_transitions={"canceled_at": now, "paid_at": None}
            )
    fields: dict[str, Any] = {
        "amount_paid": intent["amount"] if paid else None,
        "amount_requested": intent["amount"],
        "created": now,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "payment": {"type": "payment_intent", "payment_intent": intent["id"]},
        "status": "paid" if paid else "open",
        "status_transitions": {"canceled_at": None, "paid_at": now if paid else None},
    }
    payment = api.new("invoice_payment", "inpay_", fields)
    if paid:
        api.emit("invoice_payment.paid", payment)


def _of_customer(api: Api, kind: str, params: Params) -> list[Resource]:
    customer = params.get("customer")
    found = api.store.list_by(kind, "customer", customer) if customer else api.store.list_kind(kind)
    return [
        document
        for document in newest_first(found)
        if is_in_range(document["created"], params.get("created"))
    ]
