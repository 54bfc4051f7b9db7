"""Commands to the service billing, and the events of Stripe on their way to it."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from msaas.contracts.message import Message, OnFull
from msaas.contracts.plans import Plan
from msaas.contracts.text import JsonObject, ShortText, Timestamp

StripeId = Annotated[str, Field(pattern=r"^[\x21-\x7e]+$", max_length=255)]
EventType = Annotated[str, Field(pattern=r"^[a-z0-9_.]+$", max_length=100)]
IdempotencyKey = Annotated[str, Field(pattern=r"^[\x21-\x7e]+$", max_length=255)]
ReturnUrl = Annotated[str, Field(pattern=r"^https?://[\x21-\x7e]+$", max_length=2_000)]

MAX_SPEND_LIMIT = 100_000_000
"""The largest spend limit, in the smallest unit of the currency."""


class StripeEventReceived(Message, on_full=OnFull.REFUSE):
    """An event with a valid signature; the reply says that billing has stored it.

    `payload` is the event as it was sent, or None where it is too large; the object that it is
    about is fetched, so that nothing is decided by the payload.
    """

    event_id: StripeId
    event_type: EventType
    created: Timestamp
    livemode: bool
    api_version: Annotated[str, Field(max_length=50)] | None = None
    is_thin: bool = False
    is_backfill: bool = False
    object_id: StripeId | None = None
    customer_id: StripeId | None = None
    payload: JsonObject | None = None


class ApplyStripeEvent(Message, on_full=OnFull.SKIP):
    """Apply a stored event; one that is lost is published again by a timer."""

    event_id: StripeId


class ReplayStripeEvent(Message, on_full=OnFull.REFUSE):
    """Apply an event again that was given up or applied before."""

    event_id: StripeId


class RefreshAccount(Message, on_full=OnFull.SKIP):
    """Fetch a user's subscriptions from Stripe, and publish the plan that follows from them."""

    user_id: UUID


class OpenCheckout(Message, on_full=OnFull.REFUSE):
    """Begin a checkout of a paid plan; the reply has the address of its page."""

    user_id: UUID
    plan: Plan
    idempotency_key: IdempotencyKey
    return_url: ReturnUrl


class OpenPortal(Message, on_full=OnFull.REFUSE):
    """Begin a session of Stripe's customer portal; the reply has the address of its page."""

    user_id: UUID
    idempotency_key: IdempotencyKey
    return_url: ReturnUrl


class ChangePlan(Message, on_full=OnFull.REFUSE):
    """Change the plan of a subscription: a higher one at once, a lower one at the period's end.

    FREE cancels at the period's end; the present plan takes back what was scheduled.
    """

    user_id: UUID
    plan: Plan
    idempotency_key: IdempotencyKey


class SetSpendLimit(Message, on_full=OnFull.REFUSE):
    """Limit what a user's jobs may cost in a period; None removes the limit."""

    user_id: UUID
    amount: Annotated[int, Field(ge=0, le=MAX_SPEND_LIMIT)] | None
    idempotency_key: IdempotencyKey


class ReportUsage(Message, on_full=OnFull.SKIP):
    """Go on with the usage of a subject: its reports to the meter, and its corrections."""

    subject_id: UUID


class CorrectUsage(Message, on_full=OnFull.REFUSE):
    """Take back what a job was charged, by the means that its usage still allows."""

    job_id: UUID
    reason: ShortText


class PreviewInvoice(Message, on_full=OnFull.REFUSE):
    """Compute what a user is charged next: at the period's end, or for a change to `plan`.

    `at` is when the plan changes; without it that is now.
    """

    user_id: UUID
    plan: Plan | None = None
    at: Timestamp | None = None


class ProveInvoice(Message, on_full=OnFull.SKIP):
    """Sign the usage that a final invoice charges, and leave its head at Stripe."""

    invoice_id: StripeId


class ReconcileUsage(Message, on_full=OnFull.SKIP):
    """Begin a reconciliation, or go on with it: a timer names the one that is running."""

    run_id: UUID
