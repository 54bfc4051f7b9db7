"""Taking a job in: once for each id and each idempotency key, and never over the limit."""

from collections.abc import Sequence

from msaas.contracts import TASKS, JobStatus, Plan, SubmitJob, Task
from msaas.jobs.application.book import Accepted, Book, Job, Key, NewJob, Order
from msaas.jobs.domain.errors import (
    IdempotencyMismatch,
    JobTaken,
    JobUnknown,
    ParentEnded,
    PlanForbidden,
    TaskTypeUnknown,
)
from msaas.kernel import MsaasError

FIRST_VERSION = 1


def submit(book: Book, order: Order, command: SubmitJob) -> Accepted:
    if known := book.jobs.get(command.job_id):
        return _accept_again(book, known, command)
    account = book.get_account(command.user_id)
    if first := _find_first(book, command):
        return _accept(first, replayed=True)
    task = get_task_in_plan(command.task_type, account.subject.plan)
    _check_parent(book, command)
    period = account.reserve() if task.billable else None
    new = NewJob(
        order=order,
        command=command,
        task=task,
        plan=account.subject.plan,
        usage_period=period,
    )
    return _accept(_enter(book, new))


def submit_all(book: Book, order: Order, commands: Sequence[SubmitJob]) -> Accepted:
    """Judge each by itself: what is refused stops no other."""
    return Accepted(answer={"items": [_try(book, order, command) for command in commands]})


def _try(book: Book, order: Order, command: SubmitJob) -> dict[str, object]:
    try:
        return {"ok": True, **submit(book, order, command).answer}
    except MsaasError as refusal:
        problem = {
            "code": refusal.code,
            "detail": refusal.safe_message,
            "retryable": refusal.retryable,
            "context": dict(refusal.context),
        }
        return {"ok": False, "job_id": command.job_id, "problem": problem}


def key_of(command: SubmitJob) -> Key | None:
    given = command.idempotency
    return None if given is None else (command.user_id, given.key, given.item)


def _accept_again(book: Book, job: Job, command: SubmitJob) -> Accepted:
    """Answer a command that came before as it was answered then."""
    if job.user_id != command.user_id:
        raise JobTaken
    book.repeat(job)
    return Accepted(
        answer={
            "job_id": job.id,
            "status": JobStatus.PENDING,
            "version": FIRST_VERSION,
            "created_at": job.created_at,
            "replayed": False,
        }
    )


def _find_first(book: Book, command: SubmitJob) -> Job | None:
    key = key_of(command)
    first = book.keys.get(key) if key else None
    if first and command.idempotency and first.fingerprint != command.idempotency.fingerprint:
        raise IdempotencyMismatch
    return first


def get_task_in_plan(task_type: str, plan: Plan) -> Task:
    task = TASKS.get(task_type)
    if task is None:
        raise TaskTypeUnknown(task_type=task_type)
    if plan not in task.plans:
        raise PlanForbidden(task_type=task_type, plan=plan)
    return task


def _check_parent(book: Book, command: SubmitJob) -> None:
    if command.parent_job_id is None:
        return
    parent = book.jobs.get(command.parent_job_id)
    if parent is None or parent.user_id != command.user_id:
        raise JobUnknown("There is no such parent job.")
    if parent.is_finished or parent.cancel_requested:
        raise ParentEnded


def _enter(book: Book, new: NewJob) -> Job:
    command = new.command
    job = Job(
        id=command.job_id,
        user_id=command.user_id,
        task_type=command.task_type,
        created_at=book.now,
        usage_period=new.usage_period,
        reserved=new.usage_period is not None,
        fingerprint=command.idempotency and command.idempotency.fingerprint,
        parent_id=command.parent_job_id,
    )
    book.submitted.append(new)
    book.jobs[job.id] = job
    if key := key_of(command):
        book.keys[key] = job
    return job


def _accept(job: Job, *, replayed: bool = False) -> Accepted:
    return Accepted(
        answer={
            "job_id": job.id,
            "status": job.status,
            "version": job.snapshot.version if job.snapshot else FIRST_VERSION,
            "created_at": job.created_at,
            "replayed": replayed,
        }
    )
