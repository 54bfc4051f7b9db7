"""Cancelling a job and its children: at once while nobody runs it, else by asking who does."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from uuid import UUID

from msaas.contracts import CancelJob, JobStatus, get_task
from msaas.jobs.application.command_batch import CommandBatch, CommandOutcome, LockedJob
from msaas.jobs.application.ports import WorkerQueue
from msaas.jobs.domain.cancellation import CancelMode, decide_cancel_mode
from msaas.jobs.domain.errors import JobNotFound

_UNCANCELLABLE = frozenset({JobStatus.COMPLETED, JobStatus.FAILED})


def cancel(batch: CommandBatch, command: CancelJob) -> CommandOutcome:
    job = batch.jobs.get(command.job_id)
    if job is None or job.user_id != command.user_id:
        raise JobNotFound
    batch.get_account(command.user_id)
    mode = _cancel(batch, job)
    children = [
        child for child in _list_descendants(batch, job) if child.status not in _UNCANCELLABLE
    ]
    for child in children:
        _cancel(batch, child)
    answer: dict[str, object] = {"job_id": job.id, "status": job.status}
    if mode is CancelMode.COOPERATIVE:
        answer["cancel_requested"] = True
    return CommandOutcome(reply=answer, stop_job_ids=mark_revoked(batch, [job, *children]))


def mark_revoked(batch: CommandBatch, jobs: Iterable[LockedJob]) -> tuple[UUID, ...]:
    """Somebody may have read them, also where the record has not heard of that yet."""
    handed_out = [job for job in jobs if job.fence is not None]
    batch.revoked.update((job.id, job) for job in handed_out)
    return tuple(job.id for job in handed_out)


def _cancel(batch: CommandBatch, job: LockedJob) -> CancelMode:
    mode = decide_cancel_mode(job.status, job.fence)
    match mode:
        case CancelMode.IMMEDIATE:
            batch.finish(job, JobStatus.CANCELLED)
            batch.cancelled.append(job)
        case CancelMode.COOPERATIVE if not job.cancel_requested:
            job.cancel_requested = True
            batch.stop_requested.append(job)
        case _:
            batch.republish(job)
    return mode


def _list_descendants(batch: CommandBatch, job: LockedJob) -> Iterator[LockedJob]:
    for child in batch.children_of(job):
        yield child
        yield from _list_descendants(batch, child)


async def revoke_on_workers(workers: WorkerQueue, jobs: Iterable[LockedJob]) -> None:
    """After the commit: keep workers from beginning, and take back what none has begun."""
    marked: dict[timedelta, list[LockedJob]] = defaultdict(list)
    entries: dict[str, list[str]] = defaultdict(list)
    for job in jobs:
        task = get_task(job.task_type)
        marked[task.valid_for + task.timeout].append(job)
        if job.entry_id and job.is_finished:
            entries[task.topic].append(job.entry_id)
    for ttl, some in marked.items():
        await workers.mark_cancelled([job.id for job in some], ttl)
    for topic, entry_ids in entries.items():
        await workers.withdraw(topic, entry_ids)
