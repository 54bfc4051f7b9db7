"""Invoices and their lines, payments and items."""

from typing import Any, Final

from msaas.stripe.application.context import Api
from msaas.stripe.application.customers import get_customer
from msaas.stripe.application.invoicing import (
    attempt_payment,
    create_invoice,
    end_unpaid,
    finalize,
    mark_paid,
)
from msaas.stripe.application.paging import PAGING, is_in_range, newest_first, page
from msaas.stripe.application.routing import Params, Routes
from msaas.stripe.application.unused_time import create_invoice_item
from msaas.stripe.domain.errors import ApiError, declined
from msaas.stripe.domain.resources import Resource, merge_metadata, public

routes = Routes()

_EDITABLE: Final = ("auto_advance", "description", "footer", "default_payment_method")


@routes.add(
    "POST",
    "/v1/invoices",
    "customer subscription auto_advance metadata description currency"
    " pending_invoice_items_behavior collection_method",
)
def create(api: Api, params: Params) -> Resource:
    customer = get_customer(api, params.get("customer", ""))
    subscription = params.get("subscription")
    found = api.store.get("subscription", subscription, "subscription") if subscription else None
    now = api.now(customer)
    invoice = create_invoice(
        api,
        customer,
        found,
        reason="manual",
        lines=[],
        period=(now, now),
        auto_advance=params.get("auto_advance", False),
    )
    invoice["metadata"] = params.get("metadata") or {}
    invoice["description"] = params.get("description")
    return public(invoice)


@routes.add("GET", "/v1/invoices/{invoice}")
def retrieve(api: Api, _params: Params, identifier: str) -> Resource:
    return public(api.store.get("invoice", identifier))


@routes.add("POST", "/v1/invoices/{invoice}", " ".join(_EDITABLE) + " metadata")
def update(api: Api, params: Params, identifier: str) -> Resource:
    """Change what a finalised invoice still lets change: its metadata, for one."""
    invoice = api.store.get("invoice", identifier)
    before = public(invoice)
    api.store.edit(identifier)
    for name in _EDITABLE:
        if name in params:
            if invoice["status"] != "draft" and name != "auto_advance":
                raise ApiError(f"Finalized invoices can't change {name}.", param=name)
            invoice[name] = params[name] or (False if name == "auto_advance" else None)
    if "metadata" in params:
        invoice["metadata"] = merge_metadata(invoice["metadata"], params["metadata"])
    api.emit("invoice.updated", invoice, before)
    return public(invoice)


@routes.add(
    "GET", "/v1/invoices", PAGING + "customer subscription status created collection_method"
)
def list_invoices(api: Api, params: Params) -> Resource:
    if "customer" in params:
        found = api.store.list_by("invoice", "customer", params["customer"])
    elif "subscription" in params:
        found = api.store.list_by("invoice", "_subscription", params["subscription"])
    else:
        found = api.store.list_kind("invoice")
    listed = [
        invoice
        for invoice in newest_first(found)
        if params.get("status") in {None, invoice["status"]}
        and params.get("subscription") in {None, invoice["_subscription"]}
        and is_in_range(invoice["created"], params.get("created"))
    ]
    return page("/v1/invoices", listed, params)


@routes.add("GET", "/v1/invoices/{invoice}/lines", PAGING)
def list_lines(api: Api, params: Params, identifier: str) -> Resource:
    lines = api.store.get("invoice", identifier)["lines"]["data"]
    return page(f"/v1/invoices/{identifier}/lines", lines, params)


@routes.add("POST", "/v1/invoices/{invoice}/finalize", "auto_advance")
def finalize_invoice(api: Api, params: Params, identifier: str) -> Resource:
    invoice = api.store.get("invoice", identifier)
    finalize(api, invoice)
    if "auto_advance" in params and invoice["status"] == "open":
        invoice["auto_advance"] = params["auto_advance"]
    return public(invoice)


@routes.add("POST", "/v1/invoices/{invoice}/pay", "payment_method paid_out_of_band off_session")
def pay(api: Api, params: Params, identifier: str) -> Resource:
    invoice = api.store.get("invoice", identifier)
    if invoice["status"] == "paid":
        raise ApiError("Invoice is already paid", code="invoice_payment_intent_requires_action")
    if invoice["status"] == "draft":
        finalize(api, invoice)
    if invoice["status"] not in {"open", "uncollectible"}:
        return public(invoice)
    if params.get("paid_out_of_band"):
        mark_paid(api, invoice)
        return public(invoice)
    given = params.get("payment_method")
    method = api.store.get("payment_method", given, "payment_method") if given else None
    decline = attempt_payment(api, invoice, method)
    if decline:
        raise declined("Your card was declined.", code=decline, keeps_changes=True)
    return public(invoice)


@routes.add("POST", "/v1/invoices/{invoice}/void")
def void(api: Api, _params: Params, identifier: str) -> Resource:
    return _end(api, identifier, "void", "voided")


@routes.add("POST", "/v1/invoices/{invoice}/mark_uncollectible")
def mark_uncollectible(api: Api, _params: Params, identifier: str) -> Resource:
    return _end(api, identifier, "uncollectible", "marked_uncollectible")


@routes.add("DELETE", "/v1/invoices/{invoice}")
def delete(api: Api, _params: Params, identifier: str) -> Resource:
    invoice = api.store.get("invoice", identifier)
    if invoice["status"] != "draft" or invoice["_subscription"]:
        raise ApiError("You can only delete draft invoices without a subscription.")
    api.store.remove(identifier)
    api.emit("invoice.deleted", invoice)
    return {"id": identifier, "object": "invoice", "deleted": True}


@routes.add("GET", "/v1/invoice_payments/{invoice_payment}")
def retrieve_payment(api: Api, _params: Params, identifier: str) -> Resource:
    return public(api.store.get("invoice_payment", identifier))


@routes.add("GET", "/v1/invoice_payments", PAGING + "invoice payment status created")
def list_payments(api: Api, params: Params) -> Resource:
    invoice = params.get("invoice")
    found = (
        api.store.list_by("invoice_payment", "invoice", invoice)
        if invoice
        else api.store.list_kind("invoice_payment")
    )
    intent = params.get("payment", {}).get("payment_intent")
    listed = [
        payment
        for payment in newest_first(found)
        if params.get("status") in {None, payment["status"]}
        and intent in {None, payment["payment"]["payment_intent"]}
    ]
    return page("/v1/invoice_payments", listed, params)


@routes.add(
    "POST", "/v1/invoiceitems", "customer amount currency description metadata subscription period"
)
def create_item(api: Api, params: Params) -> Resource:
    customer = get_customer(api, params.get("customer", ""))
    fields: dict[str, Any] = {
        name: params[name] for name in ("amount", "description", "period") if name in params
    }
    fields |= {
        "amount": params.get("amount", 0),
        "currency": params.get("currency", customer["currency"] or "usd"),
        "metadata": params.get("metadata") or {},
        "_subscription": params.get("subscription"),
    }
    return public(create_invoice_item(api, customer, fields))


@routes.add("GET", "/v1/invoiceitems/{invoiceitem}")
def retrieve_item(api: Api, _params: Params, identifier: str) -> Resource:
    return public(api.store.get("invoiceitem", identifier))


@routes.add("DELETE", "/v1/invoiceitems/{invoiceitem}")
def delete_item(api: Api, _params: Params, identifier: str) -> Resource:
    item = api.store.get("invoiceitem", identifier)
    if item["invoice"]:
        raise ApiError("The invoice item is on an invoice already.")
    api.store.remove(identifier)
    api.emit("invoiceitem.deleted", item)
    return {"id": identifier, "object": "invoiceitem", "deleted": True}


@routes.add("GET", "/v1/invoiceitems", PAGING + "customer invoice pending created")
def list_items(api: Api, params: Params) -> Resource:
    listed = [
        item
        for item in newest_first(api.store.list_kind("invoiceitem"))
        if params.get("customer") in {None, item["customer"]}
        and params.get("invoice") in {None, item["invoice"]}
        and params.get("pending") in {None, item["invoice"] is None}
    ]
    return page("/v1/invoiceitems", listed, params)


def _end(api: Api, identifier: str, status: str, event: str) -> Resource:
    invoice = api.store.get("invoice", identifier)
    if invoice["status"] not in {"open", "uncollectible"}:
        raise ApiError(f"An invoice that is {invoice['status']} cannot become {status}.")
    end_unpaid(api, invoice, status, event)
    return public(invoice)
