"""Usage and billing: what was used, reported and corrected, and the plan that a user pays for.

Usage is a hash chain: each message carries a hash over its fields and the previous hash.
"""

import hashlib
import struct
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from msaas.contracts.message import Message, OnFull, ValueObject
from msaas.contracts.plans import Plan
from msaas.contracts.text import Identifier, ShortText, Timestamp

USAGE_GENESIS = "0" * 64
"""The previous hash of a subject's first entry."""

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PositiveCount = Annotated[int, Field(ge=1, le=2**63 - 1)]
ExternalEventId = Annotated[str, Field(pattern=r"^[\x21-\x7e]+$", max_length=255)]
"""Stripe's id of an event, or billing's own id of a report; each is applied only once."""

Correction = Annotated[int, Field(ge=-(2**53), le=2**53)]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAYOUT = struct.Struct(">16sQ16sqq32s")


class Blocker(StrEnum):
    """Why a user's new jobs are refused; of several reasons the first is named."""

    PAST_DUE = "past_due"
    SPEND_LIMIT = "spend_limit"
    PLAN = "plan"
    RATE = "rate"


class UsageRecorded(Message, on_full=OnFull.SKIP):
    """One completed billable job. The subject is a random id that identifies no person.

    `user_id` is None once the user is erased.
    """

    subject_id: UUID
    seq: PositiveCount
    job_id: UUID
    quantity: PositiveCount
    occurred_at: AwareDatetime
    period_start: AwareDatetime
    plan: Plan
    prev_hash: Hash
    hash: Hash
    user_id: UUID | None = None


class UsageNoted(Message, on_full=OnFull.SKIP):
    """A chain entry that charges nothing, published so that consumers see no gap in `seq`.

    Its hash uses the nil UUID as the job id.
    """

    subject_id: UUID
    seq: PositiveCount
    kind: Identifier
    quantity: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
    occurred_at: AwareDatetime
    period_start: AwareDatetime
    prev_hash: Hash
    hash: Hash


class ResendUsage(Message, on_full=OnFull.SKIP):
    """Publish entries of a usage chain again; without a last one, all that follow the first."""

    subject_id: UUID
    first_seq: PositiveCount
    last_seq: PositiveCount | None = None


class CountUsage(Message, on_full=OnFull.SKIP):
    """Publish what the counters of a subject hold, and how far its chain has got."""

    subject_id: UUID


class PeriodCount(ValueObject):
    """What the counter of one quota period holds."""

    period_start: Timestamp
    used: Annotated[int, Field(ge=0, le=2**53)]


class UsageCounted(Message, on_full=OnFull.SKIP):
    """The counters of a subject's last periods, as of one entry of its chain."""

    subject_id: UUID
    last_seq: Annotated[int, Field(ge=0, le=2**63 - 1)]
    head: Hash
    periods: Annotated[tuple[PeriodCount, ...], Field(max_length=10)]


def usage_hash(  # noqa: PLR0917  # the fields in the order of their bytes
    subject: UUID, seq: int, job_id: UUID, quantity: int, occurred_at: datetime, prev_hash: str
) -> str:
    """Return SHA-256 over uuid, int8, uuid, int8, int8 (µs since 1970), 32 bytes; all big-endian.

    Postgres builds the same bytes with uuid_send, int8send and decode.
    """
    micros = (occurred_at - _EPOCH) // timedelta(microseconds=1)
    previous = bytes.fromhex(prev_hash)
    if len(previous) != hashlib.sha256().digest_size:
        raise ValueError("a previous hash must have 32 bytes")
    fixed = _LAYOUT.pack(subject.bytes, seq, job_id.bytes, quantity, micros, previous)
    return hashlib.sha256(fixed).hexdigest()


class SubscriptionChanged(Message, on_full=OnFull.SKIP):
    """A snapshot of a user's subscription; the higher `version` is the newer one.

    `jobs_limit` None means no hard limit. Only a paid plan has a period. `next_plan` takes effect
    when the period ends; without it the plan stays the same. `spend_limit_jobs` is the number of
    jobs that the user's own spend limit allows in the period. With `blocked_by`, no new job is
    accepted.
    """

    user_id: UUID
    version: PositiveCount
    plan: Plan
    status: Identifier
    jobs_limit: Annotated[int, Field(ge=0, le=2**53)] | None
    period_start: Timestamp | None = None
    period_end: Timestamp | None = None
    next_plan: Plan | None = None
    stripe_event_id: ExternalEventId | None = None
    spend_limit_jobs: Annotated[int, Field(ge=0, le=2**53)] | None = None
    blocked_by: Blocker | None = None

    @model_validator(mode="after")
    def _has_a_period_where_it_is_paid(self) -> Self:
        if (self.period_start is None) != (self.period_end is None):
            raise ValueError("a period has a start and an end")
        if self.period_start and self.period_end and self.period_start >= self.period_end:
            raise ValueError("a period ends after its start")
        if (self.plan is Plan.FREE) != (self.period_start is None):
            raise ValueError("a paid plan has a period, and FREE counts by the calendar")
        return self


class UsageReported(Message, on_full=OnFull.SKIP):
    """Units that Stripe has accepted, and the head of the usage chain they were reported with.

    `period_start` is the start of the billed period, `reported_at` the meter's timestamp.
    """

    subject_id: UUID
    stripe_event_id: ExternalEventId
    quantity: PositiveCount
    period_start: Timestamp
    reported_at: Timestamp
    head: Hash


class UsageReconciled(Message, on_full=OnFull.SKIP):
    """Corrects a usage counter after a comparison with Stripe; a correction of 0 is published too.

    `period_start` is the start of the quota period that is corrected.
    """

    subject_id: UUID
    stripe_event_id: ExternalEventId
    quantity: Correction
    period_start: Timestamp
    reconciled_at: Timestamp
    reason: ShortText
