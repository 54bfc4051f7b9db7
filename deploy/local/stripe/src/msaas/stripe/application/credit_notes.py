"""Credit notes, disputes and other corrections of a finalised invoice."""

from typing import Any

from msaas.stripe.application.context import Api
from msaas.stripe.application.invoicing import mark_paid
from msaas.stripe.application.paging import PAGING, newest_first, page
from msaas.stripe.application.routing import Params, Routes
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.domain.resources import (
    Resource,
    embedded_list,
    merge_metadata,
    new_identifier,
    public,
)

routes = Routes()


@routes.add(
    "POST",
    "/v1/credit_notes",
    "invoice amount lines reason memo metadata credit_amount out_of_band_amount refund_amount",
)
def create_credit_note(api: Api, params: Params) -> Resource:
    invoice = api.store.get("invoice", params["invoice"], "invoice")
    if invoice["status"] not in {"open", "paid"}:
        raise ApiError(f"An invoice that is {invoice['status']} cannot be credited.")
    lines = [_build_line(invoice, given) for given in params.get("lines", [])]
    amount = sum(line["amount"] for line in lines) if lines else params.get("amount", 0)
    before_payment = invoice["status"] == "open"
    _check_amount(api, invoice, amount)
    note = _add_note(api, invoice, params, lines, amount)
    api.emit("credit_note.created", note)
    if before_payment:
        _reduce(api, invoice, amount)
    else:
        _give_back(api, invoice, params, amount)
    return public(note)


@routes.add("GET", "/v1/credit_notes/{id}")
def retrieve_credit_note(api: Api, _params: Params, identifier: str) -> Resource:
    return public(api.store.get("credit_note", identifier))


@routes.add("POST", "/v1/credit_notes/{id}", "memo metadata")
def update_credit_note(api: Api, params: Params, identifier: str) -> Resource:
    note = api.store.get("credit_note", identifier)
    before = public(note)
    api.store.edit(identifier)
    note["memo"] = params.get("memo", note["memo"])
    if "metadata" in params:
        note["metadata"] = merge_metadata(note["metadata"], params["metadata"])
    api.emit("credit_note.updated", note, before)
    return public(note)


@routes.add("GET", "/v1/credit_notes/{credit_note}/lines", PAGING)
def list_credit_note_lines(api: Api, params: Params, identifier: str) -> Resource:
    lines = api.store.get("credit_note", identifier)["lines"]["data"]
    return page(f"/v1/credit_notes/{identifier}/lines", lines, params)


@routes.add("GET", "/v1/credit_notes", PAGING + "customer invoice")
def list_credit_notes(api: Api, params: Params) -> Resource:
    listed = [
        note
        for note in newest_first(api.store.list_kind("credit_note"))
        if params.get("invoice") in {None, note["invoice"]}
        and params.get("customer") in {None, note["customer"]}
    ]
    return page("/v1/credit_notes", listed, params)


@routes.add("GET", "/v1/disputes/{dispute}")
def retrieve_dispute(api: Api, _params: Params, identifier: str) -> Resource:
    return public(api.store.get("dispute", identifier))


@routes.add("GET", "/v1/disputes", PAGING + "charge payment_intent")
def list_disputes(api: Api, params: Params) -> Resource:
    listed = [
        dispute
        for dispute in newest_first(api.store.list_kind("dispute"))
        if params.get("charge") in {None, dispute["charge"]}
        and params.get("payment_intent") in {None, dispute["payment_intent"]}
    ]
    return page("/v1/disputes", listed, params)


def _check_amount(api: Api, invoice: Resource, amount: int) -> None:
    if amount <= 0:
        raise ApiError("You must pass a positive amount or lines.", param="amount")
    noted = sum(
        note["amount"] for note in api.store.list_by("credit_note", "invoice", invoice["id"])
    )
    limit = invoice["amount_remaining"] if invoice["status"] == "open" else invoice["total"] - noted
    if amount > limit:
        raise ApiError("The sum of credit notes exceeds the invoice's total.", param="amount")


def _add_note(
    api: Api, invoice: Resource, params: Params, lines: list[Resource], amount: int
) -> Resource:
    number = len(list(api.store.list_by("credit_note", "invoice", invoice["id"]))) + 1
    before_payment = invoice["status"] == "open"
    identifier = new_identifier("cn_")
    fields: dict[str, Any] = {
        "id": identifier,
        "amount": amount,
        "amount_shipping": 0,
        "created": api.now(invoice),
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice": invoice["id"],
        "lines": embedded_list(f"/v1/credit_notes/{identifier}/lines", lines),
        "memo": params.get("memo"),
        "metadata": params.get("metadata") or {},
        "number": f"{invoice['number']}-CN-{number:02}",
        "out_of_band_amount": params.get("out_of_band_amount"),
        "pdf": f"{invoice['invoice_pdf']}/{identifier}",
        "post_payment_amount": 0 if before_payment else amount,
        "pre_payment_amount": amount if before_payment else 0,
        "pretax_credit_amounts": [],
        "reason": params.get("reason"),
        "refunds": [],
        "status": "issued",
        "subtotal": amount,
        "subtotal_excluding_tax": amount,
        "total": amount,
        "total_excluding_tax": amount,
        "total_taxes": [],
        "type": "pre_payment" if before_payment else "post_payment",
    }
    return api.new("credit_note", "cn_", fields)


def _build_line(invoice: Resource, given: Params) -> Resource:
    quantity = given.get("quantity", 1)
    amount = given.get("amount", given.get("unit_amount", 0) * quantity)
    source = given.get("invoice_line_item")
    if given["type"] == "invoice_line_item":
        line = next((line for line in invoice["lines"]["data"] if line["id"] == source), None)
        if line is None:
            raise ApiError(f"No such line item: '{source}'", param="lines[0][invoice_line_item]")
        amount = amount or line["amount"]
    return {
        "id": new_identifier("cnli_"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": given.get("description"),
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice_line_item": source,
        "livemode": False,
        "metadata": given.get("metadata") or {},
        "pretax_credit_amounts": [],
        "quantity": quantity,
        "tax_rates": [],
        "taxes": [],
        "type": given["type"],
        "unit_amount": given.get("unit_amount"),
        "unit_amount_decimal": None,
    }


def _reduce(api: Api, invoice: Resource, amount: int) -> None:
    """Reduce what an open invoice still demands; its lines and total stay."""
    before = public(invoice)
    api.store.edit(invoice["id"])
    invoice["pre_payment_credit_notes_amount"] += amount
    invoice["amount_due"] -= amount
    invoice["amount_remaining"] -= amount
    api.emit("invoice.updated", invoice, before)
    if invoice["amount_remaining"] == 0:
        mark_paid(api, invoice)


def _give_back(api: Api, invoice: Resource, params: Params, amount: int) -> None:
    parts = ("credit_amount", "out_of_band_amount", "refund_amount")
    if sum(params.get(name, 0) for name in parts) != amount:
        raise ApiError(
            "The sum of credit_amount, refund_amount and out_of_band_amount must equal the amount.",
            param="credit_amount",
        )
    before = public(invoice)
    api.store.edit(invoice["id"])["post_payment_credit_notes_amount"] += amount
    api.emit("invoice.updated", invoice, before)
    if params.get("refund_amount"):
        _refund(api, invoice, params["refund_amount"])
    if params.get("credit_amount"):
        customer = api.store.edit(invoice["customer"])
        former = public(customer)
        customer["balance"] -= params["credit_amount"]
        api.emit("customer.updated", customer, former)


def _refund(api: Api, invoice: Resource, amount: int) -> None:
    payments = api.store.list_by("invoice_payment", "invoice", invoice["id"])
    paid = [payment for payment in payments if payment["status"] == "paid"]
    if not paid:
        raise ApiError("The invoice has no charge to refund.", param="refund_amount")
    intent = api.store.get("payment_intent", paid[-1]["payment"]["payment_intent"])
    charge = api.store.edit(intent["latest_charge"])
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    api.emit("charge.refunded", charge)
