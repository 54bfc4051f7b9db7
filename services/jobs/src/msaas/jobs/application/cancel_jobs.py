"""Cancelling a job: at once while nobody runs it, else by asking whoever does to stop."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta

from msaas.contracts import CancelJob, JobStatus, get_task
from msaas.jobs.application.book import Accepted, Book, Job
from msaas.jobs.application.ports import Workers
from msaas.jobs.domain.cancelling import Cancelling, decide_cancelling
from msaas.jobs.domain.errors import JobUnknown


def cancel(book: Book, command: CancelJob) -> Accepted:
    job = book.jobs.get(command.job_id)
    if job is None or job.user_id != command.user_id:
        raise JobUnknown
    account = book.get_account(command.user_id)
    cancelling = decide_cancelling(job.status, job.fence)
    match cancelling:
        case Cancelling.NOW:
            job.status = JobStatus.CANCELLED
            if job.reserved and job.usage_period:
                account.release(job.usage_period)
                job.reserved = False
            book.cancelled.append(job)
        case Cancelling.ON_REPORT if not job.cancel_requested:
            job.cancel_requested = True
            book.asked_to_stop.append(job)
        case _:
            book.repeat(job)
    answer: dict[str, object] = {"job_id": job.id, "status": job.status}
    if cancelling is Cancelling.ON_REPORT:
        answer["cancel_requested"] = True
    if job.fence is None:
        return Accepted(answer=answer)
    # Somebody may have read it, also where the record has not heard of that yet.
    book.called_off[job.id] = job
    return Accepted(answer=answer, stop=job.id)


async def call_off(workers: Workers, jobs: Iterable[Job]) -> None:
    """After the commit: keep workers from beginning, and take back what none has begun."""
    marked: dict[timedelta, list[Job]] = defaultdict(list)
    entries: dict[str, list[str]] = defaultdict(list)
    for job in jobs:
        task = get_task(job.task_type)
        marked[task.valid_for + task.timeout].append(job)
        if job.entry_id and job.status is JobStatus.CANCELLED:
            entries[task.topic].append(job.entry_id)
    for ttl, some in marked.items():
        await workers.mark_cancelled([job.id for job in some], ttl)
    for topic, entry_ids in entries.items():
        await workers.withdraw(topic, entry_ids)
