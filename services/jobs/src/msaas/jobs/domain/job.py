"""A job as the one who settles its runs sees it, and each of its runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from msaas.contracts import JobStatus
from msaas.jobs.domain.reports import ProgressFields


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """`attempts` is the budget of retries that is used up; `fence` names the present run.

    A job that waits has `waiting_for`, if only for `wake_at`: it has no run, and holds no slot.
    """

    id: UUID
    user_id: UUID
    task_type: str
    status: JobStatus
    attempts: int
    max_attempts: int
    losses: int
    run_at: datetime
    deadline_at: datetime | None
    created_at: datetime
    dispatched_at: datetime | None
    entry_id: str | None
    fence: UUID | None
    lease_until: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    progress: ProgressFields | None = None
    last_error: str | None
    failure_reason: str | None
    billable: bool
    usage_period: datetime | None
    reserved: bool
    waiting_for: tuple[UUID, ...] | None = None
    wake_at: datetime | None = None

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None

    @property
    def is_cancelling(self) -> bool:
        return self.cancel_requested_at is not None

    @property
    def has_begun(self) -> bool:
        """Whether the present run has: a job that was woken is RUNNING before its next run is."""
        return self.lease_until is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A row of job_attempts: a fence that was handed out, and what came of it."""

    fence: UUID
    worker: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    outcome: str | None = None
    reason: str | None = None
    error: str | None = None
    timings_ms: Mapping[str, int] | None = None
    network: str | None = None
