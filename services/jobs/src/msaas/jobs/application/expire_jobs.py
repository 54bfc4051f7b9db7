"""Ending a job whose deadline came before its turn; its worker watches that of a run."""

from msaas.contracts import DeadlinePassed, JobStatus
from msaas.jobs.application.cancel_jobs import mark_revoked
from msaas.jobs.application.command_batch import CommandBatch, CommandOutcome


def expire(batch: CommandBatch, command: DeadlinePassed) -> CommandOutcome:
    """Change nothing where the timer spoke of what has changed since."""
    job = batch.jobs.get(command.job_id)
    if job is None or job.is_finished or job.deadline_at is None or job.deadline_at > batch.now:
        return CommandOutcome(reply={})
    if job.status is JobStatus.RUNNING and job.fence is not None:
        return CommandOutcome(reply={})
    batch.finish(job, JobStatus.FAILED)
    batch.expired.append(job)
    return CommandOutcome(reply={}, stop_job_ids=mark_revoked(batch, [job]))
