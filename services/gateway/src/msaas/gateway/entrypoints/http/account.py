"""Who I am, and what can be asked for."""

import hashlib
from functools import cache
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from msaas.auth import Unauthenticated, UserPrincipal, current_user
from msaas.contracts import TASKS
from msaas.gateway.application.ports import JobViews
from msaas.gateway.entrypoints.http.models import Me, TaskType, TaskTypes, Usage, to_model
from msaas.web import from_state

router = APIRouter(prefix="/api/v1")
CurrentUser = Annotated[UserPrincipal, Depends(current_user)]
JobViewsDep = Annotated[JobViews, Depends(from_state("job_views"))]


@router.get("/me")
async def read_me(user: CurrentUser, views: JobViewsDep) -> Me:
    account = await views.find_account(user.id)
    if account is None:
        raise Unauthenticated  # erased between the check and the read
    usage = await views.find_usage(user.id)
    return Me(**account, usage=to_model(Usage, usage) if usage else None)


@router.get("/task-types", response_model=TaskTypes)
async def list_task_types(user: CurrentUser, request: Request) -> Response:  # noqa: ARG001  # signed in
    body, tag = _build_task_types()
    headers = {"etag": tag, "cache-control": "private, max-age=300"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


@cache
def _build_task_types() -> tuple[bytes, str]:
    """Show the public tasks; they change only with the program."""
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
