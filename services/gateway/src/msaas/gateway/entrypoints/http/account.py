"""The task types that a job may have."""

import hashlib
from functools import cache

from fastapi import APIRouter, Request, Response

from msaas.contracts import TASKS, Scope
from msaas.gateway.entrypoints.http.models import TaskType, TaskTypes
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard

router = APIRouter(prefix="/api/v1")
_READS_ACCOUNT = guard(RouteRule(scope=Scope.ACCOUNT_READ))


@router.get("/task-types", response_model=TaskTypes, dependencies=[_READS_ACCOUNT])
async def list_task_types(request: Request) -> Response:
    body, tag = _build_task_types()
    headers = {"etag": tag, "cache-control": "private, max-age=300"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


@cache
def _build_task_types() -> tuple[bytes, str]:
    """Build the list of public tasks once; it changes only with a release."""
    items = [
        TaskType(
            task_type=task.task_type,
            summary=task.summary,
            plans=sorted(task.plans),
            billable=task.billable,
            timeout_seconds=task.timeout.total_seconds(),
            max_attempts=task.max_attempts,
            params_schema=task.params.model_json_schema(),
            result_schema=task.result.model_json_schema(mode="serialization"),
        )
        for task in TASKS.values()
        if task.public
    ]
    body = TaskTypes(items=items).model_dump_json().encode()
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'
