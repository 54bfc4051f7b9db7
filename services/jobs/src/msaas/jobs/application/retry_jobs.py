"""Beginning a failed job anew as if it had just come: within the quota, or not at all."""

from msaas.contracts import JobStatus, RetryJob
from msaas.jobs.application.book import Accepted, Book, Job
from msaas.jobs.application.submit_jobs import get_task_in_plan
from msaas.jobs.domain.errors import DeadlineOver, JobNotFailed, JobUnknown, PayloadGone


def retry(book: Book, command: RetryJob) -> Accepted:
    job = book.jobs.get(command.job_id)
    if job is None or job.user_id != command.user_id:
        raise JobUnknown
    account = book.get_account(command.user_id)
    if job.last_retry == command.retry_id:
        book.repeat(job)
        return _accept(job)
    _check(book, job)
    task = get_task_in_plan(job.task_type, account.subject.plan)
    job.usage_period = account.reserve() if task.billable else None
    job.reserved = job.usage_period is not None
    job.status = JobStatus.PENDING
    job.last_retry = command.retry_id
    book.retried.append(job)
    return _accept(job)


def _check(book: Book, job: Job) -> None:
    if job.status is not JobStatus.FAILED:
        raise JobNotFailed(status=job.status)
    if not job.has_payload:
        raise PayloadGone
    if job.deadline_at is not None and job.deadline_at <= book.now:
        raise DeadlineOver


def _accept(job: Job) -> Accepted:
    return Accepted(answer={"job_id": job.id, "status": job.status})
