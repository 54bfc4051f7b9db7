"""The messages that tell billing of a fact of usage, and of what else is in the chain."""

from msaas.contracts import UsageNoted, UsageRecorded
from msaas.jobs.domain.charging import UsageFact
from msaas.jobs.domain.noting import UsageNote
from msaas.kernel import derive_id
from msaas.messaging import Outgoing

TOPIC = "usage.events"


def recorded(fact: UsageFact, correlation_id: str, traceparent: str | None = None) -> Outgoing:
    """Announce it under an id of its place in the chain: whoever publishes it says the same."""
    return Outgoing(
        message=UsageRecorded(
            subject_id=fact.subject_id,
            seq=fact.seq,
            job_id=fact.job_id,
            quantity=fact.quantity,
            occurred_at=fact.occurred_at,
            period_start=fact.period_start,
            plan=fact.plan,
            prev_hash=fact.prev_hash,
            hash=fact.hash,
        ),
        topic=TOPIC,
        id=derive_id(fact.subject_id, fact.seq),
        correlation_id=correlation_id,
        traceparent=traceparent,
    )


def noted(note: UsageNote, correlation_id: str, traceparent: str | None = None) -> Outgoing:
    return Outgoing(
        message=UsageNoted(
            subject_id=note.subject_id,
            seq=note.seq,
            kind=note.kind,
            quantity=note.quantity,
            occurred_at=note.occurred_at,
            period_start=note.period_start,
            prev_hash=note.prev_hash,
            hash=note.hash,
        ),
        topic=TOPIC,
        id=derive_id(note.subject_id, note.seq),
        correlation_id=correlation_id,
        traceparent=traceparent,
    )
