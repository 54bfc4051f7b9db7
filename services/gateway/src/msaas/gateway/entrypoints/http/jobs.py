"""Jobs: submit, list, read, retry and cancel them."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from msaas.contracts import CancelJob, JobStatus, RetryJob, Scope
from msaas.gateway.application.errors import JobNotFound, ResultNotAvailable, ResultRemoved
from msaas.gateway.application.ports import JobFilter, JobViews, Row
from msaas.gateway.application.submit_job import SubmittedJob
from msaas.gateway.domain.idempotency import ReplayPolicy
from msaas.gateway.domain.job_order import JobOrder
from msaas.gateway.domain.page_cursor import PageCursor
from msaas.gateway.domain.timeline import build_timeline
from msaas.gateway.entrypoints.http.dependencies import (
    CommandsDep,
    CorrelationIdDep,
    CurrentFlagContext,
    CurrentUser,
    Cursor,
    EventHubDep,
    IdempotencyKeyDep,
    JobMetricsDep,
    JobSubmissionDep,
    JobViewsDep,
    PageSize,
)
from msaas.gateway.entrypoints.http.idempotency import set_replay_policy
from msaas.gateway.entrypoints.http.job_requests import JobRequestParserDep
from msaas.gateway.entrypoints.http.job_rows import build_job, build_summary
from msaas.gateway.entrypoints.http.job_search import JobFilterDep, JobSearch
from msaas.gateway.entrypoints.http.models import (
    Attempts,
    Happening,
    Job,
    JobAccepted,
    JobCounts,
    JobOutcome,
    JobOutcomes,
    JobPage,
    JobRequest,
    JobRequests,
    JobResult,
    JobState,
    Timeline,
    to_model,
)
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard
from msaas.kernel import MsaasError, derive_id, new_id
from msaas.web import Deprecation, describe_error, get_correlation_id

router = APIRouter(prefix="/api/v1/jobs")
_READS_JOBS = guard(RouteRule(scope=Scope.JOBS_READ))
_WRITES_JOBS = guard(RouteRule(scope=Scope.JOBS_WRITE))
_READS_EVENTS = guard(
    RouteRule(
        scope=Scope.JOBS_READ,
        deprecation=Deprecation(
            since=date(2026, 11, 21),
            sunset=date(2027, 6, 1),
            successor="/api/v1/jobs/{job_id}/timeline",
        ),
    )
)


@router.post("", status_code=202, dependencies=[_WRITES_JOBS])
async def submit_job(
    body: JobRequest,
    caller: CurrentFlagContext,
    parser: JobRequestParserDep,
    correlation_id: CorrelationIdDep,
    response: Response,
    *,
    submit: JobSubmissionDep,
    metrics: JobMetricsDep,
) -> JobAccepted:
    job_request = parser.parse(body)
    with metrics.count_submission(body.task_type, caller.plan):
        job = await submit(caller, job_request, correlation_id)
    response.headers["location"] = f"/api/v1/jobs/{job.job_id}"
    if job.is_replay:
        response.headers["idempotent-replayed"] = "true"
    return JobAccepted(id=job.job_id, status=JobStatus(job.status))


@router.post("/batch", status_code=202, dependencies=[_WRITES_JOBS])
async def submit_batch(
    body: JobRequests,
    caller: CurrentFlagContext,
    parser: JobRequestParserDep,
    request: Request,
    *,
    submit: JobSubmissionDep,
    metrics: JobMetricsDep,
) -> JobOutcomes:
    job_requests = [parser.parse(job, "jobs", n) for n, job in enumerate(body.jobs)]
    outcomes = await submit.batch(caller, job_requests, get_correlation_id(request.scope))
    if any(isinstance(outcome, MsaasError) for outcome in outcomes):
        # A repeat sends the batch again; the jobs service recognises the accepted jobs.
        set_replay_policy(request, ReplayPolicy.NONE)
    for job, outcome in zip(body.jobs, outcomes, strict=True):
        metrics.count_outcome(job.task_type, caller.plan, outcome)
    return JobOutcomes(items=[_build_outcome(outcome) for outcome in outcomes])


def _build_outcome(outcome: SubmittedJob | MsaasError) -> JobOutcome:
    if isinstance(outcome, MsaasError):
        return JobOutcome(ok=False, problem=describe_error(outcome))
    job = JobAccepted(id=outcome.job_id, status=JobStatus(outcome.status))
    return JobOutcome(ok=True, job=job, replayed=outcome.is_replay)


@router.get("", dependencies=[_READS_JOBS])
async def list_jobs(
    user: CurrentUser,
    views: JobViewsDep,
    before: Cursor,
    job_filter: JobFilterDep,
    *,
    event_hub: EventHubDep,
    limit: PageSize = 20,
) -> JobPage:
    stream_cursor = event_hub.cursor
    rows = await views.list_jobs(user.id, job_filter, before, limit + 1)
    shown = rows[:limit]
    next_cursor = None
    if len(rows) > limit:
        next_cursor = _build_cursor(job_filter, shown[-1]).encode()
    return JobPage(
        items=[build_summary(row) for row in shown],
        next_cursor=next_cursor,
        stream_cursor=stream_cursor,
    )


def _build_cursor(job_filter: JobFilter, row: Row) -> PageCursor:
    depends_on_time = job_filter.search or job_filter.order is not JobOrder.NEWEST
    as_of = job_filter.as_of if depends_on_time else None
    return PageCursor(row.get("position", row["created_at"]), row["id"], as_of)


@router.get("/counts", dependencies=[_READS_JOBS])
async def count_jobs(user: CurrentUser, views: JobViewsDep, search: JobSearch) -> JobCounts:
    """Count by status what the list would show."""
    return JobCounts.of(await views.count_jobs(user.id, JobFilter(search=search)))


@router.get("/{job_id}", dependencies=[_READS_JOBS])
async def read_job(job_id: UUID, user: CurrentUser, views: JobViewsDep) -> Job:
    if row := await views.find_job(user.id, job_id):
        return build_job(row)
    raise JobNotFound


@router.get("/{job_id}/status", dependencies=[_READS_JOBS])
async def read_status(job_id: UUID, user: CurrentUser, views: JobViewsDep) -> JobState:
    if row := await views.find_progress(user.id, job_id):
        return to_model(JobState, row)
    raise JobNotFound


@router.get("/{job_id}/result", dependencies=[_READS_JOBS])
async def read_result(
    job_id: UUID,
    user: CurrentUser,
    views: JobViewsDep,
    attempt: Annotated[int | None, Query(ge=1, le=1_000)] = None,
) -> JobResult:
    """Of an attempt, too: the one that completed the job has the result, the others an error."""
    row = await views.find_result(user.id, job_id)
    if row is None:
        raise JobNotFound
    if attempt is not None:
        await _check_attempt(views, user.id, job_id, attempt)
    has_result = row["result"] is not None or row["result_ref"] is not None
    if row["status"] == JobStatus.COMPLETED and has_result:
        return to_model(JobResult, row)
    if row["status"] == JobStatus.COMPLETED and row["content_removed_at"]:
        raise ResultRemoved
    reason = row["last_error"] or f"The job is {row['status']}."
    raise ResultNotAvailable(f"The job has no result: {reason}")


async def _check_attempt(views: JobViews, user_id: UUID, job_id: UUID, number: int) -> None:
    """Raise unless this attempt has the result; of those of one number, the last counts."""
    attempts = await views.list_attempts(user_id, job_id) or ()
    found = [row for row in attempts if row["attempt"] == number]
    if not found:
        raise JobNotFound("The job has no such attempt.")
    last = found[-1]
    if last["outcome"] != "succeeded":
        reason = last["error"] or f"It is {last['outcome'] or 'running'}."
        raise ResultNotAvailable(f"The attempt has no result: {reason}")


@router.get("/{job_id}/attempts", dependencies=[_READS_JOBS])
async def list_attempts(job_id: UUID, user: CurrentUser, views: JobViewsDep) -> Attempts:
    rows = await views.list_attempts(user.id, job_id)
    if rows is None:
        raise JobNotFound
    return to_model(Attempts, {"items": [dict(row) for row in rows]})


@router.get("/{job_id}/events", dependencies=[_READS_EVENTS])
@router.get("/{job_id}/timeline", dependencies=[_READS_JOBS])
async def read_timeline(job_id: UUID, user: CurrentUser, views: JobViewsDep) -> Timeline:
    history = await views.find_history(user.id, job_id)
    if history is None:
        raise JobNotFound
    events = build_timeline(history.job, history.attempts, history.charges)
    return Timeline(items=[Happening.model_validate(event._asdict()) for event in events])


@router.post("/{job_id}/retry", status_code=202, dependencies=[_WRITES_JOBS])
async def retry_job(
    job_id: UUID,
    user: CurrentUser,
    idempotency_key: IdempotencyKeyDep,
    correlation_id: CorrelationIdDep,
    commands: CommandsDep,
) -> JobAccepted:
    retry_id = derive_id(user.id, f"{job_id}:{idempotency_key}") if idempotency_key else new_id()
    command = RetryJob(job_id=job_id, user_id=user.id, retry_id=retry_id)
    reply = await commands.send(command, correlation_id)
    return JobAccepted(id=job_id, status=JobStatus(reply["status"]))


@router.post("/{job_id}/cancel", status_code=202, dependencies=[_WRITES_JOBS])
async def cancel_job(
    job_id: UUID, user: CurrentUser, correlation_id: CorrelationIdDep, commands: CommandsDep
) -> JobAccepted:
    """Return the status at this moment: a job that is running ends a moment later."""
    reply = await commands.send(CancelJob(job_id=job_id, user_id=user.id), correlation_id)
    return JobAccepted(id=job_id, status=JobStatus(reply["status"]))
