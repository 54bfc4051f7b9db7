"""Ending a job whose deadline came before its turn; its worker watches that of a run."""

from msaas.contracts import DeadlinePassed, JobStatus
from msaas.jobs.application.book import Accepted, Book
from msaas.jobs.application.cancel_jobs import call_back


def expire(book: Book, command: DeadlinePassed) -> Accepted:
    """Change nothing where the timer spoke of what has changed since."""
    job = book.jobs.get(command.job_id)
    if job is None or job.is_finished or job.deadline_at is None or job.deadline_at > book.now:
        return Accepted(answer={})
    if job.status is JobStatus.RUNNING and job.fence is not None:
        return Accepted(answer={})
    book.end(job, JobStatus.FAILED)
    book.overdue.append(job)
    return Accepted(answer={}, stop=call_back(book, [job]))
