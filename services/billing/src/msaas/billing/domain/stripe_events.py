"""Which events of Stripe matter, what each is about, and what is done about it."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class EventAction(StrEnum):
    """What an event leads to. The object is always fetched: an event is only a hint to look."""

    REFRESH = "refresh"  # the customer's subscriptions
    INVOICE = "invoice"  # the invoice, and the customer's subscriptions
    DISPUTE = "dispute"  # the customer of the disputed charge
    METER_ERRORS = "meter_errors"  # the meter events that Stripe could not count


ACTIONS: Final[Mapping[str, EventAction]] = MappingProxyType(
    {
        "customer.created": EventAction.REFRESH,
        "customer.updated": EventAction.REFRESH,
        "customer.deleted": EventAction.REFRESH,
        "customer.subscription.created": EventAction.REFRESH,
        "customer.subscription.updated": EventAction.REFRESH,
        "customer.subscription.deleted": EventAction.REFRESH,
        "customer.subscription.paused": EventAction.REFRESH,
        "customer.subscription.resumed": EventAction.REFRESH,
        "customer.subscription.trial_will_end": EventAction.REFRESH,
        "checkout.session.completed": EventAction.REFRESH,
        "checkout.session.async_payment_succeeded": EventAction.REFRESH,
        "checkout.session.async_payment_failed": EventAction.REFRESH,
        "checkout.session.expired": EventAction.REFRESH,
        "invoice.paid": EventAction.INVOICE,
        "invoice.payment_failed": EventAction.INVOICE,
        "invoice.finalized": EventAction.INVOICE,
        "charge.dispute.created": EventAction.DISPUTE,
        "v1.billing.meter.error_report_triggered": EventAction.METER_ERRORS,
        "v1.billing.meter.no_meter_found": EventAction.METER_ERRORS,
    }
)

SNAPSHOT_TYPES: Final = tuple(name for name in ACTIONS if not name.startswith("v1."))
"""The types that a webhook endpoint of snapshots subscribes to."""

THIN_TYPES: Final = tuple(name for name in ACTIONS if name.startswith("v1."))
"""The types that only a destination of thin events can send."""


class EventState(StrEnum):
    RECEIVED = "RECEIVED"
    APPLIED = "APPLIED"
    IGNORED = "IGNORED"  # its type or its customer is not ours
    DEAD = "DEAD"  # failed too often; an operator replays it


class EventSource(StrEnum):
    WEBHOOK = "webhook"
    BACKFILL = "backfill"
