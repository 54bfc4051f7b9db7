"""Changes to jobs that exist: cancel, retry, expire and wake."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from uuid import UUID

from msaas.contracts import TASKS, CancelJob, DeadlinePassed, JobStatus, RetryJob, WakeJob
from msaas.jobs.application.command_batch import CommandBatch, CommandOutcome, LockedJob
from msaas.jobs.application.ports import WorkerQueue
from msaas.jobs.application.submit_jobs import get_task_in_plan
from msaas.jobs.domain.errors import (
    DeadlineExpired,
    JobFinished,
    JobNotFailed,
    JobNotFound,
    PayloadGone,
)

_UNCANCELLABLE = frozenset({JobStatus.COMPLETED, JobStatus.FAILED})


def cancel(batch: CommandBatch, command: CancelJob) -> CommandOutcome:
    """Cancel a job and its descendants: at once, or by asking a run to stop."""
    job = _get_job(batch, command)
    batch.get_account(command.user_id)
    is_requested = _cancel(batch, job)
    children = [
        child for child in _list_descendants(batch, job) if child.status not in _UNCANCELLABLE
    ]
    for child in children:
        _cancel(batch, child)
    reply: dict[str, object] = {"job_id": job.id, "status": job.status}
    if is_requested:
        reply["cancel_requested"] = True
    return CommandOutcome(reply=reply, stop_job_ids=_mark_revoked(batch, [job, *children]))


def retry(batch: CommandBatch, command: RetryJob) -> CommandOutcome:
    """Run a failed job again as if it were new: within the quota, once for each `retry_id`."""
    job = _get_job(batch, command)
    account = batch.get_account(command.user_id)
    if job.last_retry_id == command.retry_id:
        batch.republish(job)
        return _build_status_outcome(job)
    _check_retryable(batch, job)
    task = get_task_in_plan(job.task_type, account.subject.plan)
    job.usage_period = account.reserve() if task.billable else None
    job.reserved = job.usage_period is not None
    job.status = JobStatus.PENDING
    job.last_retry_id = command.retry_id
    batch.retried.append(job)
    return _build_status_outcome(job)


def expire(batch: CommandBatch, command: DeadlinePassed) -> CommandOutcome:
    """End a job whose deadline passed before a run began; a worker watches the deadline itself."""
    job = batch.jobs.get(command.job_id)
    if job is None or job.deadline_at is None or job.deadline_at > batch.now:
        return CommandOutcome(reply={})
    if job.is_finished:
        batch.republish(job)
        return CommandOutcome(reply={})
    if job.status is JobStatus.RUNNING and job.fence is not None:
        return CommandOutcome(reply={})
    batch.finish(job, JobStatus.FAILED)
    batch.expired.append(job)
    return CommandOutcome(reply={}, stop_job_ids=_mark_revoked(batch, [job]))


def wake(batch: CommandBatch, command: WakeJob) -> CommandOutcome:
    """Let the store wake the job if its time has come, or its question has been answered.

    The end of one that has ended is published again.
    """
    job = batch.jobs.get(command.job_id)
    if job is None:
        return CommandOutcome(reply={})
    if job.is_finished:
        batch.republish(job)
        return CommandOutcome(reply={})
    batch.to_wake.add(job.id)
    if command.answered:
        batch.answered.add(job.id)
    return CommandOutcome(reply={})


async def revoke_on_workers(workers: WorkerQueue, jobs: Iterable[LockedJob]) -> None:
    """After the commit, keep workers from beginning these jobs and withdraw their entries."""
    marked: dict[timedelta, list[UUID]] = defaultdict(list)
    entries: dict[str, list[str]] = defaultdict(list)
    for job in jobs:
        task = TASKS.get(job.task_type)
        if task is None:  # a release that knew it was rolled back: no worker runs it
            continue
        marked[task.valid_for + task.timeout].append(job.id)
        if job.entry_id and job.is_finished:
            entries[task.topic].append(job.entry_id)
    for ttl, job_ids in marked.items():
        await workers.mark_cancelled(job_ids, ttl)
    for topic, entry_ids in entries.items():
        await workers.withdraw(topic, entry_ids)


def _get_job(batch: CommandBatch, command: CancelJob | RetryJob) -> LockedJob:
    job = batch.jobs.get(command.job_id)
    if job is None or job.user_id != command.user_id:
        raise JobNotFound
    return job


def _cancel(batch: CommandBatch, job: LockedJob) -> bool:
    """Return whether a run has to stop first; a RUNNING job without a fence has no run."""
    match job.status:
        case JobStatus.COMPLETED | JobStatus.FAILED:
            raise JobFinished(status=job.status)
        case JobStatus.CANCELLED:
            batch.republish(job)
        case JobStatus.RUNNING if job.fence is not None:
            _request_stop(batch, job)
            return True
        case _:
            batch.finish(job, JobStatus.CANCELLED)
            batch.cancelled.append(job)
    return False


def _request_stop(batch: CommandBatch, job: LockedJob) -> None:
    if job.cancel_requested:
        batch.republish(job)
    else:
        job.cancel_requested = True
        batch.stop_requested.append(job)


def _list_descendants(batch: CommandBatch, job: LockedJob) -> Iterator[LockedJob]:
    for child in batch.children_of(job):
        yield child
        yield from _list_descendants(batch, child)


def _mark_revoked(batch: CommandBatch, jobs: Iterable[LockedJob]) -> tuple[UUID, ...]:
    """Note the jobs that were dispatched: a worker may have begun one before it reports so."""
    dispatched = [job for job in jobs if job.fence is not None]
    batch.revoked.update((job.id, job) for job in dispatched)
    return tuple(job.id for job in dispatched)


def _check_retryable(batch: CommandBatch, job: LockedJob) -> None:
    if job.status is not JobStatus.FAILED:
        raise JobNotFailed(status=job.status)
    if not job.has_payload:
        raise PayloadGone
    if job.deadline_at is not None and job.deadline_at <= batch.now:
        raise DeadlineExpired


def _build_status_outcome(job: LockedJob) -> CommandOutcome:
    return CommandOutcome(reply={"job_id": job.id, "status": job.status})
