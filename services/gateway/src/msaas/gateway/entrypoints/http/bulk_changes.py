"""Bulk changes: cancel or retry the jobs that a search finds."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field

from msaas.contracts import MAX_BULK_JOBS, BulkAction, Scope
from msaas.gateway.application.ports import Row
from msaas.gateway.domain.search_parser import parse_search
from msaas.gateway.domain.search_terms import Search, SearchError
from msaas.gateway.entrypoints.http.dependencies import (
    ChangeJobsInBulkDep,
    CorrelationIdDep,
    CurrentUser,
    IdempotencyKeyDep,
)
from msaas.gateway.entrypoints.http.job_search import describe
from msaas.gateway.entrypoints.http.models import RequestModel, ResponseModel
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard
from msaas.kernel import new_id

router = APIRouter(prefix="/api/v1/jobs")
_READS_JOBS = guard(RouteRule(scope=Scope.JOBS_READ))
_WRITES_JOBS = guard(RouteRule(scope=Scope.JOBS_WRITE, requires_idempotency_key=True))


class BulkRequest(RequestModel):
    action: Annotated[BulkAction, Field(strict=False)]
    q: Annotated[str, Field(max_length=4_000)]
    dry_run: bool = False


class BulkCounts(ResponseModel):
    """`limit` jobs at most are changed by one request."""

    count: int
    holds: int
    limit: int = MAX_BULK_JOBS


class BulkChange(ResponseModel):
    id: UUID
    action: BulkAction
    total: int
    done: int
    changed: int
    created_at: datetime
    finished_at: datetime | None


@router.post("/bulk", status_code=202, response_model=None, dependencies=[_WRITES_JOBS])
async def change_jobs(
    body: BulkRequest,
    user: CurrentUser,
    change: ChangeJobsInBulkDep,
    correlation_id: CorrelationIdDep,
    response: Response,
    *,
    idempotency_key: IdempotencyKeyDep,
) -> BulkChange | BulkCounts:
    search = _parse_search(body.q)
    if body.dry_run:
        response.status_code = 200
        counted = await change.count(user.id, body.action, search)
        return BulkCounts(count=counted.jobs, holds=counted.holds)
    key = idempotency_key or str(new_id())
    found = await change(user.id, body.action, search, key, correlation_id)
    response.headers["location"] = f"/api/v1/jobs/bulk/{found['id']}"
    return _build(found)


@router.get("/bulk/{bulk_id}", dependencies=[_READS_JOBS])
async def read_bulk_change(
    bulk_id: UUID, user: CurrentUser, change: ChangeJobsInBulkDep
) -> BulkChange:
    return _build(await change.find(user.id, bulk_id))


def _build(row: Row) -> BulkChange:
    return BulkChange.model_validate(row)


def _parse_search(text: str) -> Search:
    try:
        return parse_search(text)
    except SearchError as error:
        detail: dict[str, Any] = {"type": error.code, "loc": ("body", "q"), "msg": describe(error)}
        raise RequestValidationError([detail]) from error
