"""Taking in what was pushed onto the intake's list: nobody has judged it yet, and nobody waits."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import orjson
from pydantic import ValidationError

from msaas.contracts import TASKS, JobStatus, PushedJob
from msaas.jobs.application.book import Accepted, Book, Job, Order, RefusedJob
from msaas.jobs.application.submit_jobs import submit
from msaas.jobs.domain.errors import ParamsInvalid, PlanForbidden, QuotaExceeded, TaskTypeUnknown
from msaas.kernel import MsaasError
from msaas.sealing import is_sealed

_REASONS: Final[Mapping[type[MsaasError], str]] = MappingProxyType(
    {
        QuotaExceeded: "quota_exceeded",
        PlanForbidden: "plan_forbidden",
        TaskTypeUnknown: "invalid_payload",
        ParamsInvalid: "invalid_payload",
    }
)


def take_in(book: Book, order: Order, pushed: PushedJob) -> Accepted:
    """Keep as a failed job what a user would have been refused; the rest is not for a job's row."""
    command = pushed.as_submission()
    if command.job_id in book.jobs:
        return submit(book, order, command)
    try:
        _check_params(pushed)
        return submit(book, order, command)
    except tuple(_REASONS) as refusal:
        return _keep_failed(book, order, pushed, refusal)


def _keep_failed(book: Book, order: Order, pushed: PushedJob, refusal: MsaasError) -> Accepted:
    book.get_account(pushed.user_id)
    refused = RefusedJob(
        order=order,
        command=pushed.as_submission(),
        reason=_REASONS[type(refusal)],
        words=refusal.safe_message,
    )
    book.refused.append(refused)
    job = Job(
        id=pushed.job_id,
        user_id=pushed.user_id,
        task_type=pushed.task_type,
        status=JobStatus.FAILED,
        created_at=book.now,
    )
    book.jobs[job.id] = job
    return Accepted(answer={"job_id": job.id, "status": job.status})


def _check_params(pushed: PushedJob) -> None:
    task = TASKS.get(pushed.task_type)
    if task is None or not task.public:
        raise TaskTypeUnknown
    secrets = {name for name in task.secrets if name in pushed.payload}
    # Whoever pushes a secret has to seal it: nobody reads it before it is written down.
    wrong = pushed.payload.keys() - task.params.model_fields.keys()
    wrong |= {name for name in secrets if not is_sealed(pushed.payload[name])}
    try:
        told = {name: one for name, one in pushed.payload.items() if name not in secrets}
        task.params.model_validate_json(orjson.dumps(told))
    except ValidationError as error:
        wrong |= {str(one["loc"][0]) for one in error.errors() if one["loc"]} - secrets
    if wrong:
        raise ParamsInvalid(f"The task does not take these parameters: {', '.join(sorted(wrong))}.")
