"""The life of an invoice: draft, finalised, charged, charged again, paid or given to the end."""

from collections.abc import Iterable
from typing import Any, Final

from msaas.stripe.application.context import Api
from msaas.stripe.application.invoice_lines import item_line, read_usage, total_of
from msaas.stripe.application.payments import charge_invoice
from msaas.stripe.domain.calendar import DAY, HOUR
from msaas.stripe.domain.errors import ApiError
from msaas.stripe.domain.resources import Resource, embedded_list, public

DRAFT_SECONDS: Final = HOUR
_FIRST_INVOICE: Final = "subscription_create"


def create_invoice(
    api: Api,
    customer: Resource,
    subscription: Resource | None,
    *,
    reason: str,
    lines: Iterable[Resource],
    period: tuple[int, int],
    auto_advance: bool = True,
) -> Resource:
    """Create a draft, which takes the pending invoice items of the subscription with it."""
    now = api.now(customer)
    invoice = api.new("invoice", "in_", _fields(customer, subscription, reason, period, now))
    invoice["auto_advance"] = auto_advance
    invoice["automatically_finalizes_at"] = now + DRAFT_SECONDS if auto_advance else None
    data = [*lines, *_take_pending_items(api, customer, subscription, invoice["id"])]
    for line in data:
        line["invoice"] = invoice["id"]
    invoice["lines"] = embedded_list(f"/v1/invoices/{invoice['id']}/lines", data)
    if data:
        invoice["currency"] = data[0]["currency"]
    compute_totals(invoice)
    api.emit("invoice.created", invoice)
    return invoice


def finalize(api: Api, invoice: Resource) -> None:
    """Fix the amounts and the number; a total without a remainder is paid at once."""
    if invoice["status"] != "draft":
        raise ApiError("This invoice is already finalized.", code="invoice_not_editable")
    before = public(invoice)
    api.store.edit(invoice["id"])
    for line in invoice["lines"]["data"]:
        read_usage(api, line)
    compute_totals(invoice)
    now = api.now(invoice)
    invoice["number"] = _take_number(api, invoice)
    invoice.update(status="open", effective_at=now, automatically_finalizes_at=None)
    invoice["status_transitions"]["finalized_at"] = now
    _apply_balance(api, invoice)
    base = f"{api.public_url}/invoices/{invoice['id']}"
    invoice.update(hosted_invoice_url=base, invoice_pdf=f"{base}/pdf")
    api.emit("invoice.finalized", invoice)
    api.emit("invoice.updated", invoice, before)
    if invoice["amount_remaining"] == 0:
        mark_paid(api, invoice)


def collect(api: Api, invoice: Resource) -> None:
    """Charge a finalised invoice, unless it is paid or its subscription's collection is paused."""
    if invoice["status"] != "open" or not invoice["auto_advance"]:
        return
    subscription = subscription_of(api, invoice)
    pause = subscription["pause_collection"] if subscription else None
    if pause and pause["behavior"] == "void":
        end_unpaid(api, invoice, "void", "voided")
    elif pause and pause["behavior"] == "mark_uncollectible":
        end_unpaid(api, invoice, "uncollectible", "marked_uncollectible")
    else:
        attempt_payment(api, invoice)


def attempt_payment(api: Api, invoice: Resource, method: Resource | None = None) -> str | None:
    """Charge an open invoice; return the reason of a decline."""
    api.store.edit(invoice["id"])
    method = method or find_method(api, invoice)
    invoice["attempted"] = True
    invoice["attempt_count"] += 1
    decline = charge_invoice(api, invoice, method)
    if decline is None:
        mark_paid(api, invoice)
        return None
    invoice["next_payment_attempt"] = _next_attempt(api, invoice)
    api.emit("invoice.payment_failed", invoice)
    api.on_payment(api, invoice, paid=False)
    return decline


def mark_paid(api: Api, invoice: Resource) -> None:
    api.store.edit(invoice["id"])
    before = public(invoice)
    invoice.update(
        status="paid",
        attempted=True,
        next_payment_attempt=None,
        auto_advance=False,
        amount_paid=invoice["amount_due"],
        amount_remaining=0,
    )
    invoice["status_transitions"]["paid_at"] = api.now(invoice)
    api.emit("invoice.updated", invoice, before)
    api.emit("invoice.paid", invoice)
    api.emit("invoice.payment_succeeded", invoice)
    api.on_payment(api, invoice, paid=True)


def end_unpaid(api: Api, invoice: Resource, status: str, event: str) -> None:
    api.store.edit(invoice["id"])
    invoice.update(status=status, next_payment_attempt=None, auto_advance=False)
    name = "voided_at" if status == "void" else "marked_uncollectible_at"
    invoice["status_transitions"][name] = api.now(invoice)
    api.emit(f"invoice.{event}", invoice)


def compute_totals(invoice: Resource) -> None:
    total = total_of(invoice["lines"]["data"])
    due = max(0, total)
    invoice.update(
        subtotal=total,
        subtotal_excluding_tax=total,
        total=total,
        total_excluding_tax=total,
        amount_due=due,
        amount_remaining=due,
    )


def next_due(invoice: Resource) -> int | None:
    """Return when a draft is finalised or an open invoice is charged again."""
    if not invoice["auto_advance"]:
        return None
    if invoice["status"] == "draft":
        return invoice["automatically_finalizes_at"]
    return invoice["next_payment_attempt"] if invoice["status"] == "open" else None


def run_due(api: Api, invoice: Resource) -> None:
    if invoice["status"] == "draft":
        finalize(api, invoice)
        collect(api, invoice)
    else:
        attempt_payment(api, invoice)


def subscription_of(api: Api, invoice: Resource) -> Resource | None:
    identifier = invoice["_subscription"]
    return api.store.get("subscription", identifier) if identifier else None


def find_method(api: Api, invoice: Resource) -> Resource | None:
    """Choose the subscription's method, else the customer's default."""
    subscription = subscription_of(api, invoice)
    customer = api.store.get("customer", invoice["customer"])
    own = subscription["default_payment_method"] if subscription else None
    chosen: str | None = own or customer["invoice_settings"]["default_payment_method"]
    return api.store.find("payment_method", chosen) if chosen else None


def _fields(
    customer: Resource,
    subscription: Resource | None,
    reason: str,
    period: tuple[int, int],
    now: int,
) -> dict[str, Any]:
    return {
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "attempt_count": 0,
        "attempted": False,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": now,
        "currency": subscription["currency"] if subscription else customer["currency"] or "usd",
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [],
        "default_tax_rates": [],
        "discounts": [],
        "issuer": {"type": "self"},
        "metadata": {},
        "parent": _parent(subscription),
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": period[1],
        "period_start": period[0],
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "test_clock": customer["test_clock"],
        "total_discount_amounts": [],
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "_subscription": subscription["id"] if subscription else None,
    }


def _parent(subscription: Resource | None) -> Resource | None:
    if subscription is None:
        return None
    return {
        "type": "subscription_details",
        "quote_details": None,
        "subscription_details": {
            "metadata": dict(subscription["metadata"]),
            "subscription": subscription["id"],
        },
    }


def _take_pending_items(
    api: Api, customer: Resource, subscription: Resource | None, invoice_id: str
) -> list[Resource]:
    lines: list[Resource] = []
    for item in list(api.store.list_by("invoiceitem", "customer", customer["id"])):
        is_ours = subscription is None or item["_subscription"] in {None, subscription["id"]}
        if item["invoice"] is None and is_ours:
            api.store.edit(item["id"])["invoice"] = invoice_id
            lines.append(item_line(api, item))
    return lines


def _take_number(api: Api, invoice: Resource) -> str:
    customer = api.store.edit(invoice["customer"])
    number = customer["next_invoice_sequence"]
    customer["next_invoice_sequence"] = number + 1
    return f"{customer['invoice_prefix']}-{number:04}"


def _apply_balance(api: Api, invoice: Resource) -> None:
    """Pay from a credit balance, or add a negative total to it."""
    customer = api.store.edit(invoice["customer"])
    balance = customer["balance"]
    due = max(0, invoice["total"] + balance)
    ending = min(0, invoice["total"] + balance)
    invoice.update(
        starting_balance=balance, ending_balance=ending, amount_due=due, amount_remaining=due
    )
    if ending != balance:
        before = public(customer)
        customer["balance"] = ending
        api.emit("customer.updated", customer, before)


def _next_attempt(api: Api, invoice: Resource) -> int | None:
    """Return the next date of the dunning schedule; a first invoice has none."""
    days = api.controls.dunning_days
    if invoice["billing_reason"] == _FIRST_INVOICE or not invoice["auto_advance"]:
        return None
    if invoice["attempt_count"] > len(days):
        return None
    attempts: int = invoice["attempt_count"]
    return api.now(invoice) + days[attempts - 1] * DAY
