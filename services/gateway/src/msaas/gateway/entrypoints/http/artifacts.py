"""The files that a job produced."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response

from msaas.contracts import Scope
from msaas.gateway.entrypoints.http.dependencies import CurrentUser, JobFilesDep
from msaas.gateway.entrypoints.http.models import ResponseModel
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard

FileName = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]

router = APIRouter(prefix="/api/v1/jobs")
_READS_JOBS = guard(RouteRule(scope=Scope.JOBS_READ))


class JobFile(ResponseModel):
    """`url` needs no token and works until `expires_at`."""

    name: str
    content_type: str
    size: int
    created_at: datetime
    url: str
    expires_at: datetime


class JobFiles(ResponseModel):
    items: list[JobFile]


@router.get("/{job_id}/artifacts", dependencies=[_READS_JOBS])
async def list_artifacts(
    job_id: UUID, user: CurrentUser, job_files: JobFilesDep, response: Response
) -> JobFiles:
    response.headers["cache-control"] = "no-store"
    files = await job_files.list(user.id, job_id)
    items = [JobFile.model_validate(file, from_attributes=True) for file in files]
    return JobFiles(items=items)


@router.get("/{job_id}/artifacts/{name}", status_code=302, dependencies=[_READS_JOBS])
async def read_artifact(
    job_id: UUID, name: FileName, user: CurrentUser, job_files: JobFilesDep
) -> Response:
    file = await job_files.get(user.id, job_id, name)
    headers = {"location": file.url, "cache-control": "no-store"}
    return Response(status_code=302, headers=headers)
