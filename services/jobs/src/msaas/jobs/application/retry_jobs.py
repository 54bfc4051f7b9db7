"""Beginning a failed job anew as if it had just come: within the quota, or not at all."""

from msaas.contracts import JobStatus, RetryJob
from msaas.jobs.application.command_batch import CommandBatch, CommandOutcome, LockedJob
from msaas.jobs.application.submit_jobs import get_task_in_plan
from msaas.jobs.domain.errors import DeadlineExpired, JobNotFailed, JobNotFound, PayloadGone


def retry(batch: CommandBatch, command: RetryJob) -> CommandOutcome:
    job = batch.jobs.get(command.job_id)
    if job is None or job.user_id != command.user_id:
        raise JobNotFound
    account = batch.get_account(command.user_id)
    if job.last_retry == command.retry_id:
        batch.republish(job)
        return _build_outcome(job)
    _check_retryable(batch, job)
    task = get_task_in_plan(job.task_type, account.subject.plan)
    job.usage_period = account.reserve() if task.billable else None
    job.reserved = job.usage_period is not None
    job.status = JobStatus.PENDING
    job.last_retry = command.retry_id
    batch.retried.append(job)
    return _build_outcome(job)


def _check_retryable(batch: CommandBatch, job: LockedJob) -> None:
    if job.status is not JobStatus.FAILED:
        raise JobNotFailed(status=job.status)
    if not job.has_payload:
        raise PayloadGone
    if job.deadline_at is not None and job.deadline_at <= batch.now:
        raise DeadlineExpired


def _build_outcome(job: LockedJob) -> CommandOutcome:
    return CommandOutcome(reply={"job_id": job.id, "status": job.status})
