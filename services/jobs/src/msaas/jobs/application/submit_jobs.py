"""Taking a job in: once for each id and each idempotency key, and never over the limit."""

from collections.abc import Sequence

from msaas.contracts import TASKS, JobStatus, Plan, SubmitJob, Task
from msaas.jobs.application.command_batch import (
    CommandBatch,
    CommandContext,
    CommandOutcome,
    IdempotencyKey,
    LockedJob,
    NewJob,
)
from msaas.jobs.domain.errors import (
    IdempotencyMismatch,
    JobIdTaken,
    JobNotFound,
    ParentEnded,
    PlanForbidden,
    TaskTypeNotFound,
)
from msaas.kernel import MsaasError

FIRST_VERSION = 1


def submit(batch: CommandBatch, context: CommandContext, command: SubmitJob) -> CommandOutcome:
    if known := batch.jobs.get(command.job_id):
        return _build_duplicate_outcome(batch, known, command)
    account = batch.get_account(command.user_id)
    if first := _find_by_idempotency_key(batch, command):
        return _build_outcome(first, replayed=True)
    task = get_task_in_plan(command.task_type, account.subject.plan)
    _check_parent(batch, command)
    period = account.reserve() if task.billable else None
    new = NewJob(
        context=context,
        command=command,
        task=task,
        plan=account.subject.plan,
        usage_period=period,
    )
    return _build_outcome(_add_job(batch, new))


def submit_all(
    batch: CommandBatch, context: CommandContext, commands: Sequence[SubmitJob]
) -> CommandOutcome:
    """Judge each by itself: what is refused stops no other."""
    return CommandOutcome(
        reply={"items": [_submit_item(batch, context, command) for command in commands]}
    )


def _submit_item(
    batch: CommandBatch, context: CommandContext, command: SubmitJob
) -> dict[str, object]:
    try:
        return {"ok": True, **submit(batch, context, command).reply}
    except MsaasError as refusal:
        problem = {
            "code": refusal.code,
            "detail": refusal.safe_message,
            "retryable": refusal.retryable,
            "context": dict(refusal.context),
        }
        return {"ok": False, "job_id": command.job_id, "problem": problem}


def find_idempotency_key(command: SubmitJob) -> IdempotencyKey | None:
    given = command.idempotency
    return None if given is None else (command.user_id, given.key, given.item)


def _build_duplicate_outcome(
    batch: CommandBatch, job: LockedJob, command: SubmitJob
) -> CommandOutcome:
    """Answer a command that came before as it was answered then."""
    if job.user_id != command.user_id:
        raise JobIdTaken
    batch.republish(job)
    return CommandOutcome(
        reply={
            "job_id": job.id,
            "status": JobStatus.PENDING,
            "version": FIRST_VERSION,
            "created_at": job.created_at,
            "replayed": False,
        }
    )


def _find_by_idempotency_key(batch: CommandBatch, command: SubmitJob) -> LockedJob | None:
    key = find_idempotency_key(command)
    first = batch.keys.get(key) if key else None
    if first and command.idempotency and first.fingerprint != command.idempotency.fingerprint:
        raise IdempotencyMismatch
    return first


def get_task_in_plan(task_type: str, plan: Plan) -> Task:
    task = TASKS.get(task_type)
    if task is None:
        raise TaskTypeNotFound(task_type=task_type)
    if plan not in task.plans:
        raise PlanForbidden(task_type=task_type, plan=plan)
    return task


def _check_parent(batch: CommandBatch, command: SubmitJob) -> None:
    if command.parent_job_id is None:
        return
    parent = batch.jobs.get(command.parent_job_id)
    if parent is None or parent.user_id != command.user_id:
        raise JobNotFound("There is no such parent job.")
    if parent.is_finished or parent.cancel_requested:
        raise ParentEnded


def _add_job(batch: CommandBatch, new: NewJob) -> LockedJob:
    command = new.command
    job = LockedJob(
        id=command.job_id,
        user_id=command.user_id,
        task_type=command.task_type,
        created_at=batch.now,
        usage_period=new.usage_period,
        reserved=new.usage_period is not None,
        fingerprint=command.idempotency and command.idempotency.fingerprint,
        parent_id=command.parent_job_id,
    )
    batch.submitted.append(new)
    batch.jobs[job.id] = job
    if key := find_idempotency_key(command):
        batch.keys[key] = job
    return job


def _build_outcome(job: LockedJob, *, replayed: bool = False) -> CommandOutcome:
    return CommandOutcome(
        reply={
            "job_id": job.id,
            "status": job.status,
            "version": job.snapshot.version if job.snapshot else FIRST_VERSION,
            "created_at": job.created_at,
            "replayed": replayed,
        }
    )
