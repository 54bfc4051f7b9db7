"""What is written down of one run: when it began, how it ended, and why."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from msaas.contracts import JobStatus
from msaas.jobs.domain.job import Job, Run
from msaas.jobs.domain.reports import RunFailure, RunReport, RunSuccess, RunWait

WAITING: Final = "waiting"


def update_run(run: Run, report: RunReport, after: Job, now: datetime, *, is_winner: bool) -> Run:
    """Let the first end stand, unless a run that was given up has done its job after all."""
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
    """Whether word of its loss was dropped."""
    return run.fence == after.fence and not after.is_finished
