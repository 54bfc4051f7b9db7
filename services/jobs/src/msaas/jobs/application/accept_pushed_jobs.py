"""Taking in what was pushed onto the intake's list: nobody has judged it yet, and nobody waits."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import orjson
from pydantic import ValidationError

from msaas.contracts import TASKS, JobStatus, PushedJob
from msaas.jobs.application.command_batch import (
    CommandBatch,
    CommandContext,
    CommandOutcome,
    LockedJob,
    RejectedJob,
)
from msaas.jobs.application.submit_jobs import submit
from msaas.jobs.domain.errors import PayloadInvalid, PlanForbidden, QuotaExceeded, TaskTypeNotFound
from msaas.kernel import MsaasError
from msaas.sealing import is_sealed

_REASONS: Final[Mapping[type[MsaasError], str]] = MappingProxyType(
    {
        QuotaExceeded: "quota_exceeded",
        PlanForbidden: "plan_forbidden",
        TaskTypeNotFound: "invalid_payload",
        PayloadInvalid: "invalid_payload",
    }
)


def accept_pushed(
    batch: CommandBatch, context: CommandContext, pushed: PushedJob
) -> CommandOutcome:
    """Keep as a failed job what a user would have been refused; the rest is not for a job's row."""
    command = pushed.as_submission()
    if command.job_id in batch.jobs:
        return submit(batch, context, command)
    try:
        _check_payload(pushed)
        return submit(batch, context, command)
    except tuple(_REASONS) as refusal:
        return _reject(batch, context, pushed, refusal)


def _reject(
    batch: CommandBatch, context: CommandContext, pushed: PushedJob, refusal: MsaasError
) -> CommandOutcome:
    batch.get_account(pushed.user_id)
    rejected = RejectedJob(
        context=context,
        command=pushed.as_submission(),
        reason=_REASONS[type(refusal)],
        error_message=refusal.safe_message,
    )
    batch.rejected.append(rejected)
    job = LockedJob(
        id=pushed.job_id,
        user_id=pushed.user_id,
        task_type=pushed.task_type,
        status=JobStatus.FAILED,
        created_at=batch.now,
    )
    batch.jobs[job.id] = job
    return CommandOutcome(reply={"job_id": job.id, "status": job.status})


def _check_payload(pushed: PushedJob) -> None:
    task = TASKS.get(pushed.task_type)
    if task is None or not task.public:
        raise TaskTypeNotFound
    secrets = {name for name in task.secrets if name in pushed.payload}
    # Whoever pushes a secret has to seal it: nobody reads it before it is written down.
    wrong = pushed.payload.keys() - task.params.model_fields.keys()
    wrong |= {name for name in secrets if not is_sealed(pushed.payload[name])}
    try:
        plain = {name: one for name, one in pushed.payload.items() if name not in secrets}
        task.params.model_validate_json(orjson.dumps(plain))
    except ValidationError as error:
        wrong |= {str(one["loc"][0]) for one in error.errors() if one["loc"]} - secrets
    if wrong:
        raise PayloadInvalid(f"Invalid payload fields: {', '.join(sorted(wrong))}.")
