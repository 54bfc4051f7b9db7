"""The messages that tell billing of a fact of usage, and of what else is in the chain."""

from msaas.contracts import UsageNoted, UsageRecorded
from msaas.jobs.domain.charging import UsageCharge
from msaas.jobs.domain.ledger_entries import LinkedEntry
from msaas.kernel import derive_id
from msaas.messaging import OutgoingMessage

TOPIC = "usage.events"


def build_usage_recorded(
    charge: UsageCharge, correlation_id: str, traceparent: str | None = None
) -> OutgoingMessage:
    """Announce it under an id of its place in the chain: whoever publishes it says the same."""
    return OutgoingMessage(
        message=UsageRecorded(
            subject_id=charge.subject_id,
            seq=charge.seq,
            job_id=charge.job_id,
            quantity=charge.quantity,
            occurred_at=charge.occurred_at,
            period_start=charge.period_start,
            plan=charge.plan,
            prev_hash=charge.prev_hash,
            hash=charge.hash,
        ),
        topic=TOPIC,
        id=derive_id(charge.subject_id, charge.seq),
        correlation_id=correlation_id,
        traceparent=traceparent,
    )


def build_usage_noted(
    entry: LinkedEntry, correlation_id: str, traceparent: str | None = None
) -> OutgoingMessage:
    return OutgoingMessage(
        message=UsageNoted(
            subject_id=entry.subject_id,
            seq=entry.seq,
            kind=entry.kind,
            quantity=entry.quantity,
            occurred_at=entry.occurred_at,
            period_start=entry.period_start,
            prev_hash=entry.prev_hash,
            hash=entry.hash,
        ),
        topic=TOPIC,
        id=derive_id(entry.subject_id, entry.seq),
        correlation_id=correlation_id,
        traceparent=traceparent,
    )
