"""Decides how the reports of its runs change a job."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msaas.contracts import JobStatus
from msaas.jobs.domain.job import WAITING, Job, Run, update_run
from msaas.jobs.domain.reports import (
    COUNTED_REASONS,
    DEFAULT_LEASE,
    MAX_LOSSES,
    MAX_RELEASES,
    RunFailure,
    RunLoss,
    RunReport,
    RunSuccess,
    RunWait,
    find_loss,
)

CANCELLED: Final = "cancelled"
LOST_WORKER: Final = "lost_worker"
LOST_WORKER_MESSAGE: Final = "The worker was lost."
MAX_WAIT: Final = timedelta(days=30)
"""A job that nothing wakes before is woken after this time, and may wait again."""

RETRY_BASE: Final = timedelta(seconds=1)
RETRY_CAP: Final = timedelta(minutes=1)
RELEASE_CAP: Final = timedelta(minutes=5)
FREE_RELEASES: Final = 3
"""So many releases in a row cost no wait: deployments and flushes of Redis cause them."""

_LAST_DOUBLING: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementRules:
    """`once`: the tasks that never run again; `jitter` returns a factor between 0 and 1."""

    once: frozenset[str]
    jitter: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """`runs` are the rows that change; `fences_to_stop` are runs that are no longer needed.

    `decided_by_fence` is the run whose report ended the job: its uploads are the job's files.
    """

    job: Job
    after: Job
    success: RunSuccess | None = None
    runs: tuple[Run, ...] = ()
    fences_to_stop: frozenset[UUID] = frozenset()
    unknown_fences: int = 0
    decided_by_fence: UUID | None = None

    @property
    def ends(self) -> bool:
        return self.after.is_finished and not self.job.is_finished

    @property
    def changes_state(self) -> bool:
        """Whether more changes than the lease and the progress of a run."""
        now, before = self.after, self.job
        return (now.status, now.fence) != (before.status, before.fence)

    @property
    def starts_waiting(self) -> bool:
        return self.after.waiting_for is not None and self.job.waiting_for is None

    @property
    def frees_slot(self) -> bool:
        return self.ends or (self.job.dispatched_at is not None and self.after.fence is None)

    @property
    def is_charged(self) -> bool:
        return self.ends and self.after.status is JobStatus.COMPLETED and self.job.billable


def decide(
    job: Job,
    runs: Mapping[UUID, Run],
    reports: Mapping[UUID, RunReport],
    now: datetime,
    rules: SettlementRules,
) -> Transition:
    """Ignore fences that were never dispatched, and leave a finished job as it is."""
    known_reports = {fence: report for fence, report in reports.items() if fence in runs}
    winner = None if job.is_finished else _find_winner(job, known_reports)
    after = (
        job
        if job.is_finished
        else _apply_reports(job, known_reports, winner, now, rules, runs=runs)
    )
    updated_runs = {
        fence: update_run(runs[fence], report, after, now, is_winner=report is winner)
        for fence, report in known_reports.items()
    }
    return Transition(
        job=job,
        after=after,
        success=winner.success if winner else None,
        runs=tuple(run for fence, run in updated_runs.items() if run != runs[fence]),
        fences_to_stop=_find_runs_to_stop(job, after, {**runs, **updated_runs}, known_reports),
        unknown_fences=len(reports) - len(known_reports),
        decided_by_fence=_find_deciding_fence(after, winner),
    )


def _find_winner(job: Job, known_reports: Mapping[UUID, RunReport]) -> RunReport | None:
    """Prefer the present run to older ones, and among those the one that finished first."""
    done = [
        (fence != job.fence, report.success.finished_at, fence, report)
        for fence, report in known_reports.items()
        if report.success
    ]
    return min(done, key=lambda candidate: candidate[:3])[3] if done else None


def _find_deciding_fence(after: Job, winner: RunReport | None) -> UUID | None:
    if winner is not None:
        return winner.run.fence
    return after.fence if after.is_finished else None


def _apply_reports(
    job: Job,
    known_reports: Mapping[UUID, RunReport],
    winner: RunReport | None,
    now: datetime,
    rules: SettlementRules,
    *,
    runs: Mapping[UUID, Run],
) -> Job:
    if winner:
        return _complete(job, winner, now)
    if job.task_type in rules.once and _has_begun_before(job, runs, known_reports):
        return _finish(
            replace(job, last_error=LOST_WORKER_MESSAGE), JobStatus.FAILED, LOST_WORKER, now
        )
    present = known_reports.get(job.fence) if job.fence else None
    if present is None:
        return job
    job = _apply_heartbeat(job, present, now)
    if present.failure:
        return _apply_failure(job, present.failure, now, rules)
    if present.wait:
        return _apply_wait(job, present.wait, now)
    loss = find_loss(
        present.losses,
        started=job.has_begun,
        lease_until=job.lease_until,
        cancelling=job.is_cancelling,
    )
    return _apply_loss(job, loss, now, rules) if loss else job


def _has_begun_before(
    job: Job, runs: Mapping[UUID, Run], known_reports: Mapping[UUID, RunReport]
) -> bool:
    """Find a start that was read after the loss of its run, by another replica."""
    lost = [
        fence for fence in known_reports if fence != job.fence and runs[fence].outcome != WAITING
    ]
    return any(known_reports[fence].started_at for fence in lost)


def _complete(job: Job, winner: RunReport, now: datetime) -> Job:
    own = winner.run.fence == job.fence
    started_at = (job.started_at if own else None) or _clamp_start(job, winner.started_at, now)
    done = replace(job, started_at=started_at, last_error=None)
    return _finish(done, JobStatus.COMPLETED, None, now)


def _apply_heartbeat(job: Job, report: RunReport, now: datetime) -> Job:
    """Any heartbeat implies the start; a lease is never shortened."""
    if report.lease is None and report.started_at is None:
        return job
    lease_until = now + (report.lease or DEFAULT_LEASE)
    return replace(
        job,
        status=JobStatus.RUNNING,
        releases=0,
        started_at=job.started_at or _clamp_start(job, report.started_at, now),
        lease_until=max(job.lease_until or lease_until, lease_until),
        progress=report.progress,
    )


def _apply_failure(job: Job, failure: RunFailure, now: datetime, rules: SettlementRules) -> Job:
    if job.is_cancelling or failure.reason == CANCELLED:
        return _finish(job, JobStatus.CANCELLED, CANCELLED, now)
    failed = replace(job, attempts=job.attempts + 1, last_error=failure.error)
    retry_at = now + retry_delay(failed.attempts, rules.jitter())
    if failure.retryable and _may_run_again(failed, retry_at, rules):
        return _requeue(failed, retry_at)
    return _finish(failed, JobStatus.FAILED, failure.reason, now)


def _apply_wait(job: Job, wait: RunWait, now: datetime) -> Job:
    if job.is_cancelling:
        return _finish(job, JobStatus.CANCELLED, CANCELLED, now)
    latest = now + MAX_WAIT
    return replace(
        _release_run(job),
        waiting_for=wait.children,
        wake_at=min(wait.until or latest, latest),
        lease_until=None,
    )


def _may_run_again(failed: Job, retry_at: datetime, rules: SettlementRules) -> bool:
    in_time = failed.deadline_at is None or retry_at < failed.deadline_at
    return failed.attempts < failed.max_attempts and in_time and not _is_exhausted(failed, rules)


def _apply_loss(job: Job, loss: RunLoss, now: datetime, rules: SettlementRules) -> Job:
    if job.is_cancelling:
        return _finish(job, JobStatus.CANCELLED, CANCELLED, now)
    is_counted = loss.reason in COUNTED_REASONS
    lost = replace(job, losses=job.losses + is_counted, releases=job.releases + (not is_counted))
    is_over = lost.losses > MAX_LOSSES or lost.releases > MAX_RELEASES
    if _is_exhausted(job, rules) or is_over:
        return _finish(
            replace(lost, last_error=LOST_WORKER_MESSAGE), JobStatus.FAILED, LOST_WORKER, now
        )
    delay = timedelta(0) if is_counted else release_delay(lost.releases)
    run_at = max(lost.run_at, now + delay) if delay else lost.run_at
    return _requeue(lost, run_at) if job.has_begun else replace(_release_run(lost), run_at=run_at)


def _is_exhausted(job: Job, rules: SettlementRules) -> bool:
    return job.task_type in rules.once and job.has_begun


def _release_run(job: Job) -> Job:
    """Return the job to its state before the pick: new, or woken."""
    return replace(job, dispatched_at=None, entry_id=None, fence=None)


def _requeue(job: Job, run_at: datetime) -> Job:
    return replace(
        _release_run(job),
        status=JobStatus.PENDING,
        run_at=run_at,
        lease_until=None,
        started_at=None,
        progress=None,
    )


def _finish(job: Job, status: JobStatus, reason: str | None, now: datetime) -> Job:
    """Keep fence and entry: a repeated report finds by them which run to stop."""
    return replace(
        job,
        status=status,
        failure_reason=reason,
        finished_at=now,
        lease_until=None,
        progress=None,
        reserved=False,
        waiting_for=None,
    )


def _clamp_start(job: Job, reported: datetime | None, now: datetime) -> datetime:
    """Limit the time of another host to the time between the job's creation and now."""
    return min(max(reported or now, job.created_at), now)


def _find_runs_to_stop(
    job: Job, after: Job, runs: Mapping[UUID, Run], known_reports: Mapping[UUID, RunReport]
) -> frozenset[UUID]:
    """Find the runs that still go on for a finished job; when its end is reported again, all."""
    if not after.is_finished:
        return frozenset()
    alive = {fence for fence, report in known_reports.items() if report.is_alive}
    if job.is_finished and len(alive) == len(known_reports):
        return frozenset(alive)
    return frozenset(alive | {fence for fence, run in runs.items() if run.finished_at is None})


def release_delay(releases: int) -> timedelta:
    """Return how long a job waits that no worker has kept: nothing at first, then doubling."""
    if releases <= FREE_RELEASES:
        return timedelta(0)
    return min(RELEASE_CAP, RETRY_BASE * 2 ** (releases - FREE_RELEASES - 1))


def retry_delay(failures: int, jitter: float) -> timedelta:
    """Return how long a failed job waits: a step that doubles, times the jitter."""
    step = RETRY_BASE * 2 ** min(failures - 1, _LAST_DOUBLING)
    return min(RETRY_CAP, step) * jitter
