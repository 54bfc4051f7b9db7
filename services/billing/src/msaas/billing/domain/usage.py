"""What was used, what of it was reported to Stripe, and what corrects it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msaas.contracts import Plan


class UsageKind(StrEnum):
    """The kind that is charged; every other kind is a chain entry that charges nothing."""

    JOB_COMPLETED = "job_completed"


class UsageBilling(StrEnum):
    """What becomes of a usage event: it leaves `UNREPORTED` once, for the report named by it."""

    UNREPORTED = "unreported"
    ASSIGNED = "assigned"
    FREE = "free"  # used on a plan that is not metered
    NONE = "none"  # an entry that charges nothing


class ReportState(StrEnum):
    """The state of a report to the meter; its quantity and identifier never change."""

    PENDING = "PENDING"  # committed and never sent
    SENDING = "SENDING"  # sent at least once, and not answered yet
    AMBIGUOUS = "AMBIGUOUS"  # sent too long ago to send again before the summaries are read
    REPORTED = "REPORTED"
    REJECTED = "REJECTED"  # refused by Stripe for good: an operator decides
    CANCELLED = "CANCELLED"  # reported, and taken back by an adjustment


class CorrectionMeans(StrEnum):
    UNREPORTED = "unreported"  # nothing was reported yet
    METER_ADJUSTMENT = "meter_adjustment"  # within 24 hours of the report
    CREDIT_NOTE = "credit_note"  # after the invoice was finalised
    NONE = "none"  # usage that is not metered


class CorrectionState(StrEnum):
    PENDING = "PENDING"
    SENDING = "SENDING"
    APPLIED = "APPLIED"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageEvent:
    """An entry of a subject's chain; `plan` is the plan of the period in which it counts."""

    subject_id: UUID
    seq: int
    kind: str
    job_id: UUID | None
    quantity: int
    plan: Plan | None
    occurred_at: datetime
    period_start: datetime
    prev_hash: str
    hash: str
    user_id: UUID | None = None

    @property
    def hashed_job_id(self) -> UUID:
        """Return the job's id; entries without a job are hashed with the nil UUID."""
        return self.job_id or UUID(int=0)

    @property
    def billing(self) -> UsageBilling:
        if self.kind != UsageKind.JOB_COMPLETED:
            return UsageBilling.NONE
        return UsageBilling.FREE if self.plan is Plan.FREE else UsageBilling.UNREPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReport:
    """Consecutive usage of one subject as one meter event, committed before it is first sent."""

    id: UUID
    identifier: str
    account_id: UUID
    subject_id: UUID
    stripe_customer_id: str
    quantity: int
    meter_timestamp: datetime
    period_start: datetime
    first_seq: int
    last_seq: int
    head: str
    state: ReportState = ReportState.PENDING
    attempts: int = 0
    first_sent_at: datetime | None = None
    last_sent_at: datetime | None = None
    reported_at: datetime | None = None
