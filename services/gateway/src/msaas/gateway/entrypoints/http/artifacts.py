"""The files that a job has left behind."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict

from msaas.auth import UserPrincipal, current_user
from msaas.gateway.application.read_job_files import ReadJobFiles
from msaas.web import from_state

CurrentUser = Annotated[UserPrincipal, Depends(current_user)]
ReadJobFilesDep = Annotated[ReadJobFiles, Depends(from_state("show_files"))]
FileName = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]

router = APIRouter(prefix="/api/v1/jobs")


class JobFile(BaseModel):
    """`url` is good for whoever has it, until `expires_at`."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    name: str
    content_type: str
    size: int
    created_at: datetime
    url: str
    expires_at: datetime


class JobFiles(BaseModel):
    model_config = ConfigDict(frozen=True)

    items: list[JobFile]


@router.get("/{job_id}/artifacts")
async def list_artifacts(
    job_id: UUID, user: CurrentUser, job_files: ReadJobFilesDep, response: Response
) -> JobFiles:
    response.headers["cache-control"] = "no-store"
    found = await job_files.list(user.id, job_id)
    return JobFiles(items=[JobFile.model_validate(one) for one in found])


@router.get("/{job_id}/artifacts/{name}", status_code=302)
async def read_artifact(
    job_id: UUID, name: FileName, user: CurrentUser, job_files: ReadJobFilesDep
) -> Response:
    found = await job_files.get(user.id, job_id, name)
    headers = {"location": found.url, "cache-control": "no-store"}
    return Response(status_code=302, headers=headers)
