"""A job and its runs, as the settlement of reports reads and changes them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from msaas.contracts import JobStatus
from msaas.jobs.domain.reports import ProgressFields, RunFailure, RunReport, RunSuccess, RunWait

WAITING: Final = "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """`attempts` counts the failed runs; `fence` identifies the present run.

    `releases` counts the losses since the last start that nobody's death explains.

    A waiting job has `waiting_for`, which may be empty. It has no run and holds no slot.
    """

    id: UUID
    user_id: UUID
    task_type: str
    status: JobStatus
    attempts: int
    max_attempts: int
    losses: int
    releases: int = 0
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
        """Whether the present run has begun: a woken job is RUNNING before its next run begins."""
        return self.lease_until is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A row of job_attempts: a fence that was dispatched, and the outcome of its run."""

    fence: UUID
    worker: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    outcome: str | None = None
    reason: str | None = None
    error: str | None = None
    timings_ms: Mapping[str, int] | None = None
    network: str | None = None


def update_run(run: Run, report: RunReport, after: Job, now: datetime, *, is_winner: bool) -> Run:
    """Keep the first outcome, unless a run that counted as lost has completed the job."""
    begun = report.started_at or (now if report.lease else None)
    run = replace(run, worker=run.worker or report.worker, started_at=run.started_at or begun)
    if report.success and (is_winner or run.outcome is None):
        return _record_success(run, report.success)
    if run.outcome is not None:
        return run
    if report.failure:
        return _record_failure(run, report.failure, after)
    if report.wait:
        return _record_wait(run, report.wait, after)
    if report.losses and not _still_runs(run, after):
        reason = min(loss.reason for loss in report.losses)
        return replace(run, outcome="lost", finished_at=now, reason=reason)
    return run


def _record_success(run: Run, success: RunSuccess) -> Run:
    return replace(
        run,
        outcome="succeeded",
        finished_at=success.finished_at,
        reason=None,
        error=None,
        timings_ms=success.timings_ms,
        network=success.network,
    )


def _record_failure(run: Run, failure: RunFailure, after: Job) -> Run:
    cancelled = failure.reason == "cancelled" or after.status is JobStatus.CANCELLED
    return replace(
        run,
        outcome="cancelled" if cancelled else "failed",
        finished_at=failure.finished_at,
        reason=failure.reason,
        error=failure.error,
        timings_ms=failure.timings_ms,
        network=failure.network,
    )


def _record_wait(run: Run, wait: RunWait, after: Job) -> Run:
    return replace(
        run,
        outcome="cancelled" if after.status is JobStatus.CANCELLED else WAITING,
        finished_at=wait.finished_at,
        timings_ms=wait.timings_ms,
    )


def _still_runs(run: Run, after: Job) -> bool:
    """Whether the report of its loss was ignored."""
    return run.fence == after.fence and not after.is_finished
