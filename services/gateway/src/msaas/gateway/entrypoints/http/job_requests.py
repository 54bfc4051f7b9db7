"""Turns a request's body into a job of the task catalogue, or into errors that name the field."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import to_json

from msaas.contracts import TASKS, Source, Task
from msaas.gateway.application.submit_job import JobSubmissionRequest
from msaas.gateway.entrypoints.http.dependencies import CurrentUser, IdempotencyKeyDep
from msaas.gateway.entrypoints.http.models import JobRequest


class JobRequestParser:
    """Checks jobs against the catalogue; all jobs of a request share their origin."""

    def __init__(
        self, source: Source, idempotency_key: str | None, api_key_id: UUID | None = None
    ) -> None:
        self._source = source
        self._idempotency_key = idempotency_key
        self._api_key_id = api_key_id

    def parse(self, body: JobRequest, *loc: str | int) -> JobSubmissionRequest:
        """`loc` is the position of the job in the body, for the errors that name its fields."""
        task = TASKS.get(body.task_type)
        if task is None or not task.public:
            errors = [_field_error("task_type", "unknown_task_type", "No such task type")]
        else:
            errors, params = _validate_params(task, body.params)
            errors += _check_times(body)
            if not errors:
                return self._build(task, params, body)
        raise RequestValidationError(
            [{**error, "loc": ("body", *loc, *error["loc"])} for error in errors]
        )

    def _build(self, task: Task, params: dict[str, Any], body: JobRequest) -> JobSubmissionRequest:
        return JobSubmissionRequest(
            task=task,
            params=params,
            priority=body.priority,
            run_at=body.run_at,
            deadline_at=body.deadline_at,
            source=self._source,
            idempotency_key=self._idempotency_key,
            api_key_id=self._api_key_id,
        )


async def create_parser(
    request: Request, user: CurrentUser, idempotency_key: IdempotencyKeyDep
) -> JobRequestParser:
    is_dashboard = request.headers.get("x-client") == "dashboard"
    source = Source.DASHBOARD if is_dashboard else Source.API
    return JobRequestParser(source, idempotency_key, user.api_key and user.api_key.id)


JobRequestParserDep = Annotated[JobRequestParser, Depends(create_parser)]


def _validate_params(
    task: Task, params: dict[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the errors, and the parameters as given; an unknown parameter is an error."""
    errors = [
        _field_error("params", "extra_forbidden", "This task has no such parameter", name)
        for name in params
        if name not in task.params.model_fields
    ]
    try:
        validated = task.params.model_validate_json(to_json(params))
    except ValidationError as invalid:
        details = invalid.errors(include_url=False, include_context=False, include_input=False)
        param_errors = [
            {"type": error["type"], "loc": ("params", *error["loc"]), "msg": error["msg"]}
            for error in details
        ]
        return errors + param_errors, {}
    return errors, validated.model_dump(mode="json", exclude_unset=True)


def _check_times(body: JobRequest) -> list[dict[str, Any]]:
    if body.deadline_at and body.run_at and body.deadline_at <= body.run_at:
        message = "The deadline is before the job may start"
        return [_field_error("deadline_at", "deadline_too_early", message)]
    return []


def _field_error(field: str, kind: str, message: str, *path: str) -> dict[str, Any]:
    return {"type": kind, "loc": (field, *path), "msg": message}
