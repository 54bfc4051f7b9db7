"""The messages that inform other services about jobs, accounts and usage.

Each has an id derived from a version or a sequence number, so that a repeat is recognised.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from msaas.contracts import (
    AccountChanged,
    AccountFrame,
    JobChanged,
    JobFrame,
    JobStatus,
    Progress,
    UsageNoted,
    UsageRecorded,
)
from msaas.jobs.domain.charging import UsageCharge
from msaas.jobs.domain.ledgers import LinkedEntry
from msaas.kernel import derive_id
from msaas.messaging import OutgoingMessage

JOBS_TOPIC: Final = "jobs.events"
USAGE_TOPIC: Final = "usage.events"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSnapshot:
    """A row of jobs as it is; `progress` is set only where nothing but the progress changed."""

    id: UUID
    user_id: UUID
    task_type: str
    status: JobStatus
    attempts: int
    updated_at: datetime
    last_error: str | None
    version: int
    correlation_id: str
    progress: Progress | None = None

    def to_event(self, traceparent: str | None = None) -> OutgoingMessage:
        frame = JobFrame(
            id=self.id,
            status=self.status,
            attempts=self.attempts,
            updated_at=self.updated_at,
            last_error=self.last_error,
        )
        message = JobChanged(
            frame=frame,
            user_id=self.user_id,
            task_type=self.task_type,
            version=self.version,
            correlation_id=self.correlation_id,
            progress=self.progress,
        )
        return OutgoingMessage(
            message=message,
            topic=JOBS_TOPIC,
            id=derive_id(self.id, self.version),
            correlation_id=self.correlation_id,
            traceparent=traceparent,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshot:
    """A user's plan and quota as the database has them."""

    user_id: UUID
    version: int
    account: AccountFrame

    def to_event(self, correlation_id: str, traceparent: str | None = None) -> OutgoingMessage:
        return OutgoingMessage(
            message=AccountChanged(
                user_id=self.user_id, version=self.version, account=self.account
            ),
            topic=JOBS_TOPIC,
            id=derive_id(self.user_id, self.version),
            correlation_id=correlation_id,
            traceparent=traceparent,
        )


def build_usage_recorded(
    charge: UsageCharge, correlation_id: str, traceparent: str | None = None
) -> OutgoingMessage:
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
            user_id=charge.user_id,
        ),
        topic=USAGE_TOPIC,
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
        topic=USAGE_TOPIC,
        id=derive_id(entry.subject_id, entry.seq),
        correlation_id=correlation_id,
        traceparent=traceparent,
    )
