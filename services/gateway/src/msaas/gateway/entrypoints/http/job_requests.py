"""From a request's body to a job that the catalogue approves, or errors that name the field."""

from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import to_json

from msaas.contracts import TASKS, Source, Task
from msaas.gateway.application import submit_job
from msaas.gateway.entrypoints.http.models import JobRequest


def parse_job_request(
    body: JobRequest, request: Request, *loc: str | int
) -> submit_job.JobSubmissionRequest:
    """`place` is where the job stands in the body, for the errors that name its fields."""
    task = TASKS.get(body.task_type)
    if task is None or not task.public:
        errors = [_field_error("task_type", "unknown_task_type", "No such task type")]
    else:
        errors, params = _validate_params(task, body.params)
        errors += _check_times(body)
        if not errors:
            return _build_request(task, params, body, request)
    raise RequestValidationError([{**one, "loc": ("body", *loc, *one["loc"])} for one in errors])


def _build_request(
    task: Task, params: dict[str, Any], body: JobRequest, request: Request
) -> submit_job.JobSubmissionRequest:
    return submit_job.JobSubmissionRequest(
        task=task,
        params=params,
        priority=body.priority,
        run_at=body.run_at,
        deadline_at=body.deadline_at,
        source=_source(request),
        idempotency_key=idempotency_key(request),
    )


def _validate_params(
    task: Task, params: dict[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Take the fields that the task has, as given; a misspelt one is told rather than dropped."""
    errors = [
        _field_error("params", "extra_forbidden", "This task has no such parameter", name)
        for name in params
        if name not in task.params.model_fields
    ]
    try:
        validated = task.params.model_validate_json(to_json(params))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        param_errors = [
            {"type": one["type"], "loc": ("params", *one["loc"]), "msg": one["msg"]}
            for one in found
        ]
        return errors + param_errors, {}
    return errors, validated.model_dump(mode="json", exclude_unset=True)


def _check_times(body: JobRequest) -> list[dict[str, Any]]:
    if body.deadline_at and body.run_at and body.deadline_at <= body.run_at:
        message = "The deadline is before the job may start"
        return [_field_error("deadline_at", "deadline_too_early", message)]
    return []


def _source(request: Request) -> Source:
    return Source.DASHBOARD if request.headers.get("x-client") == "dashboard" else Source.API


def idempotency_key(request: Request) -> str | None:
    """Take it as it is: a layer around the routes has refused what is none."""
    return request.headers.get("idempotency-key")


def _field_error(field: str, kind: str, message: str, *path: str) -> dict[str, Any]:
    return {"type": kind, "loc": (field, *path), "msg": message}
