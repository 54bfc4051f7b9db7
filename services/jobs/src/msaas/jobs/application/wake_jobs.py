"""Ending the wait of a job whose time has come; the record knows whether it has."""

from msaas.contracts import WakeJob
from msaas.jobs.application.book import Accepted, Book


def wake(book: Book, command: WakeJob) -> Accepted:
    job = book.jobs.get(command.job_id)
    if job is not None and not job.is_finished:
        book.waking.add(job.id)
    return Accepted(answer={})
