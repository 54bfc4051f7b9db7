"""Accepts jobs: each once for its id and its idempotency key, and within the quota.

Jobs pushed onto the intake list are validated here: no gateway has seen them, and no sender waits.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import orjson
from pydantic import ValidationError

from msaas.contracts import TASKS, JobStatus, Plan, Task
from msaas.jobs.application.command_batch import (
    CommandBatch,
    CommandOutcome,
    LockedJob,
    RequestedJob,
)
from msaas.jobs.domain.errors import (
    IdempotencyMismatch,
    JobIdTaken,
    JobNotFound,
    ParentEnded,
    PayloadInvalid,
    PayloadTooLarge,
    PlanForbidden,
    QuotaExceeded,
    TaskTypeNotFound,
    describe_error,
)
from msaas.kernel import MsaasError
from msaas.sealing import is_sealed

FIRST_VERSION: Final = 1
_REJECTION_REASONS: Final[Mapping[type[MsaasError], str]] = MappingProxyType(
    {
        QuotaExceeded: "quota_exceeded",
        PlanForbidden: "plan_forbidden",
        TaskTypeNotFound: "invalid_payload",
        PayloadInvalid: "invalid_payload",
        PayloadTooLarge: "invalid_payload",
    }
)


def submit(batch: CommandBatch, request: RequestedJob) -> CommandOutcome:
    if known := batch.jobs.get(request.job_id):
        return _build_duplicate_outcome(batch, known, request)
    account = batch.get_account(request.user_id)
    if first := _find_by_idempotency_key(batch, request):
        return _build_outcome(first, replayed=True)
    task = get_task_in_plan(request.task_type, account.subject.plan)
    if len(orjson.dumps(request.payload)) > task.max_payload:
        raise PayloadTooLarge(limit=task.max_payload)
    _check_parent(batch, request)
    job = _build_job(batch, request)
    job.max_attempts, job.billable = task.max_attempts, task.billable
    job.usage_period = account.reserve() if task.billable else None
    job.reserved = job.usage_period is not None
    batch.submitted.append((job, request))
    batch.jobs[job.id] = job
    if request.key:
        batch.keys[request.key] = job
    return _build_outcome(job)


def submit_all(batch: CommandBatch, requests: Sequence[RequestedJob]) -> CommandOutcome:
    """Decide on each job separately: a refused one does not stop the others."""
    return CommandOutcome(reply={"items": [_submit_item(batch, request) for request in requests]})


def _submit_item(batch: CommandBatch, request: RequestedJob) -> dict[str, object]:
    try:
        return {"ok": True, **submit(batch, request).reply}
    except MsaasError as refusal:
        return {"ok": False, "job_id": request.job_id, "problem": describe_error(refusal)}


def accept_pushed(batch: CommandBatch, request: RequestedJob) -> CommandOutcome:
    """Store a job that a user would be refused as a failed one; raise any other error."""
    if request.job_id in batch.jobs:
        return submit(batch, request)
    try:
        _check_payload(request)
        return submit(batch, request)
    except tuple(_REJECTION_REASONS) as refusal:
        return _reject(batch, request, refusal)


def _reject(batch: CommandBatch, request: RequestedJob, refusal: MsaasError) -> CommandOutcome:
    batch.get_account(request.user_id)
    job = _build_job(batch, request)
    job.status = JobStatus.FAILED
    job.failure_reason = _REJECTION_REASONS[type(refusal)]
    job.last_error = refusal.safe_message
    # What the catalogue refuses may hold a secret in clear, under any name.
    job.has_payload = job.failure_reason != "invalid_payload"
    batch.rejected.append((job, request))
    batch.jobs[job.id] = job
    return CommandOutcome(reply={"job_id": job.id, "status": job.status})


def _check_payload(request: RequestedJob) -> None:
    task = TASKS.get(request.task_type)
    if task is None or not task.public:
        raise TaskTypeNotFound
    payload = request.payload
    secrets = {name for name in task.secrets if name in payload}
    # A producer has to seal its secrets itself: a plain one would be stored.
    wrong = {name for name in secrets if not is_sealed(payload[name])}
    try:
        plain = {name: value for name, value in payload.items() if name not in secrets}
        task.params.model_validate_json(orjson.dumps(plain))
    except ValidationError as error:
        locations = (detail["loc"] for detail in error.errors())
        wrong |= {str(location[0]) if location else "" for location in locations} - secrets
    known = task.params.model_fields.keys()
    wrong |= payload.keys() - known
    # A name that is not the catalogue's own may be a secret too.
    if names := sorted(wrong & known):
        raise PayloadInvalid(f"Invalid payload fields: {', '.join(names)}.")
    if wrong:
        raise PayloadInvalid


def _build_duplicate_outcome(
    batch: CommandBatch, job: LockedJob, request: RequestedJob
) -> CommandOutcome:
    """Answer a redelivered command as it was answered the first time."""
    if job.user_id != request.user_id:
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


def _find_by_idempotency_key(batch: CommandBatch, request: RequestedJob) -> LockedJob | None:
    first = batch.keys.get(request.key) if request.key else None
    if first and request.idempotency and first.fingerprint != request.idempotency.fingerprint:
        raise IdempotencyMismatch
    return first


def get_task_in_plan(task_type: str, plan: Plan) -> Task:
    task = TASKS.get(task_type)
    if task is None:
        raise TaskTypeNotFound(task_type=task_type)
    if plan not in task.plans:
        raise PlanForbidden(task_type=task_type, plan=plan)
    return task


def _check_parent(batch: CommandBatch, request: RequestedJob) -> None:
    if request.parent_job_id is None:
        return
    parent = batch.jobs.get(request.parent_job_id)
    if parent is None or parent.user_id != request.user_id:
        raise JobNotFound("There is no such parent job.")
    if parent.is_finished or parent.cancel_requested:
        raise ParentEnded


def _build_job(batch: CommandBatch, request: RequestedJob) -> LockedJob:
    return LockedJob(
        id=request.job_id,
        user_id=request.user_id,
        task_type=request.task_type,
        created_at=batch.now,
        fingerprint=request.idempotency and request.idempotency.fingerprint,
        parent_id=request.parent_job_id,
    )


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
