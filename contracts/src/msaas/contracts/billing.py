"""Billing's messages: the plan a user pays for, and what was reported and corrected of usage."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator

from msaas.contracts.message import Message, OnFull
from msaas.contracts.plans import Plan
from msaas.contracts.text import Identifier, ShortText, Timestamp
from msaas.contracts.usage import Hash, PositiveCount

ExternalEventId = Annotated[str, Field(pattern=r"^[\x21-\x7e]+$", max_length=255)]
"""Stripe's id of an event, or billing's own id of a report; each is applied only once."""

Correction = Annotated[int, Field(ge=-(2**53), le=2**53)]


class SubscriptionChanged(Message, on_full=OnFull.SKIP):
    """A snapshot of a user's subscription; the higher `version` is the newer one.

    `jobs_limit` None means no hard limit. Only a paid plan has a period. `next_plan` takes effect
    when the period ends; without it the plan stays the same.
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
