"""The newest jobs in one compressed response, for a client that continues with the stream."""

import asyncio
import hashlib
import json
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from msaas.contracts import Scope
from msaas.gateway.application.read_job_snapshot import JobSnapshotRows, SnapshotPosition
from msaas.gateway.domain.page_cursor import PageCursor
from msaas.gateway.domain.rate_limit_rules import RateLimitCategory
from msaas.gateway.entrypoints.http.dependencies import CurrentUser, ReadJobSnapshotDep
from msaas.gateway.entrypoints.http.job_rows import build_summary
from msaas.gateway.entrypoints.http.models import JobCounts, JobPage, JobSummary
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard
from msaas.web import encode_body

MAX_ROWS: Final = 5_000
_SHAPE: Final = json.dumps(JobSummary.model_json_schema(mode="serialization"), sort_keys=True)
SCHEMA: Final = hashlib.sha256(_SHAPE.encode()).hexdigest()[:16]

router = APIRouter(prefix="/api/v1/jobs")
_RULE = RouteRule(scope=Scope.JOBS_READ, rate_limit=RateLimitCategory.SNAPSHOTS)


class JobSnapshot(JobPage):
    """`schema` changes with the shape of a row."""

    counts: JobCounts
    schema_: Annotated[str, Field(serialization_alias="schema")]


@router.get("/snapshot", response_model=JobSnapshot, dependencies=[guard(_RULE)])
async def read_snapshot(
    request: Request,
    user: CurrentUser,
    snapshots: ReadJobSnapshotDep,
    limit: Annotated[int, Query(ge=1, le=MAX_ROWS)] = MAX_ROWS,
) -> Response:
    async with snapshots.slots:
        position = snapshots.get_position(user.id)
        headers = {"cache-control": "private, no-cache", "x-stream-cursor": position.stream_cursor}
        if position.version is not None:
            headers["etag"] = f'W/"{SCHEMA}.{limit}.{position.version}"'
            if request.headers.get("if-none-match") == headers["etag"]:
                return Response(status_code=304, headers=headers)
        found = await snapshots.read_rows(user.id, limit)
        accepted = request.headers.get("accept-encoding", "").encode()
        # Other requests are served while a thread builds the response.
        body, coding = await asyncio.to_thread(_encode, found, position, limit, accepted)
    headers["vary"] = "accept-encoding"
    if coding is not None:
        headers["content-encoding"] = coding
    return Response(body, headers=headers, media_type="application/json")


def _encode(
    found: JobSnapshotRows, position: SnapshotPosition, limit: int, accepted: bytes
) -> tuple[bytes, str | None]:
    shown = found.rows[:limit]
    next_cursor = None
    if len(found.rows) > limit:
        next_cursor = PageCursor(shown[-1]["created_at"], shown[-1]["id"]).encode()
    snapshot = JobSnapshot(
        items=[build_summary(row) for row in shown],
        next_cursor=next_cursor,
        stream_cursor=position.stream_cursor,
        counts=JobCounts.of(found.counts),
        schema_=SCHEMA,
    )
    return encode_body(snapshot.model_dump_json(by_alias=True).encode(), accepted)
