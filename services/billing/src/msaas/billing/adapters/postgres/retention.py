"""What billing keeps, and for how long: the rules of retention for schema `billing`."""

from collections.abc import Sequence
from typing import Final

from msaas.postgres import ExpiringRows, RetentionRule

# The row stays, so that an event is applied once for ever; what Stripe sent may name a person.
EVENT_PAYLOADS: Final = ExpiringRows(
    name="stripe_event_payloads",
    kept="30 days; the event's id for ever",
    table="billing.stripe_events",
    order={"received_at": "timestamptz", "event_id": "text"},
    key=("event_id",),
    expired="t.received_at < now() - interval '30 days'",
    due="t.payload IS NOT NULL AND t.state IN ('APPLIED', 'IGNORED')",
    changes="payload = NULL",
)

# Stripe forgets an idempotency key after a day, and the gateway its answer.
REQUESTS: Final = ExpiringRows(
    name="requests",
    kept="72 hours",
    table="billing.requests",
    order={"expires_at": "timestamptz", "id": "uuid"},
    expired="t.expires_at < now()",
)


def list_retention_rules() -> Sequence[RetentionRule]:
    return [EVENT_PAYLOADS, REQUESTS]
