"""Cancelling a job and its children: at once while nobody runs it, else by asking who does."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from uuid import UUID

from msaas.contracts import CancelJob, JobStatus, get_task
from msaas.jobs.application.book import Accepted, Book, Job
from msaas.jobs.application.ports import Workers
from msaas.jobs.domain.cancelling import Cancelling, decide_cancelling
from msaas.jobs.domain.errors import JobUnknown

_DONE = frozenset({JobStatus.COMPLETED, JobStatus.FAILED})


def cancel(book: Book, command: CancelJob) -> Accepted:
    job = book.jobs.get(command.job_id)
    if job is None or job.user_id != command.user_id:
        raise JobUnknown
    book.get_account(command.user_id)
    cancelling = _cancel(book, job)
    children = [child for child in _descend(book, job) if child.status not in _DONE]
    for child in children:
        _cancel(book, child)
    answer: dict[str, object] = {"job_id": job.id, "status": job.status}
    if cancelling is Cancelling.ON_REPORT:
        answer["cancel_requested"] = True
    return Accepted(answer=answer, stop=call_back(book, [job, *children]))


def call_back(book: Book, jobs: Iterable[Job]) -> tuple[UUID, ...]:
    """Somebody may have read them, also where the record has not heard of that yet."""
    handed_out = [job for job in jobs if job.fence is not None]
    book.called_off.update((job.id, job) for job in handed_out)
    return tuple(job.id for job in handed_out)


def _cancel(book: Book, job: Job) -> Cancelling:
    cancelling = decide_cancelling(job.status, job.fence)
    match cancelling:
        case Cancelling.NOW:
            book.end(job, JobStatus.CANCELLED)
            book.cancelled.append(job)
        case Cancelling.ON_REPORT if not job.cancel_requested:
            job.cancel_requested = True
            book.asked_to_stop.append(job)
        case _:
            book.repeat(job)
    return cancelling


def _descend(book: Book, job: Job) -> Iterator[Job]:
    for child in book.children_of(job):
        yield child
        yield from _descend(book, child)


async def call_off(workers: Workers, jobs: Iterable[Job]) -> None:
    """After the commit: keep workers from beginning, and take back what none has begun."""
    marked: dict[timedelta, list[Job]] = defaultdict(list)
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
