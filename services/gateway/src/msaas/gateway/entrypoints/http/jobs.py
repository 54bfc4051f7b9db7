"""Jobs: submit, list, look closer, cancel."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError

from msaas.auth import UserPrincipal, current_user
from msaas.contracts import CancelJob, JobStatus, RetryJob
from msaas.gateway.application.errors import JobNotFound, ResultNotAvailable
from msaas.gateway.application.job_event_hub import JobEventHub
from msaas.gateway.application.ports import CommandSender, JobFilter, JobViews, Row
from msaas.gateway.application.submit_job import JobSubmission, SubmittedJob
from msaas.gateway.domain.idempotency import ReplayPolicy
from msaas.gateway.domain.page_cursor import PageCursor
from msaas.gateway.domain.queue_estimates import estimate_start
from msaas.gateway.domain.timeline import build_timeline
from msaas.gateway.entrypoints.http.guards import build_flag_subject
from msaas.gateway.entrypoints.http.idempotency import set_replay_policy
from msaas.gateway.entrypoints.http.job_metrics import JobMetrics
from msaas.gateway.entrypoints.http.job_requests import idempotency_key, parse_job_request
from msaas.gateway.entrypoints.http.models import (
    Attempts,
    Happening,
    Job,
    JobAccepted,
    JobOutcome,
    JobOutcomes,
    JobPage,
    JobRequest,
    JobRequests,
    JobResult,
    JobState,
    JobSummary,
    Moment,
    Timeline,
    to_model,
)
from msaas.kernel import MsaasError, derive_id, new_id
from msaas.web import describe_error, from_state

CurrentUser = Annotated[UserPrincipal, Depends(current_user)]
JobViewsDep = Annotated[JobViews, Depends(from_state("job_views"))]
CommandsDep = Annotated[CommandSender, Depends(from_state("commands"))]
JobSubmissionDep = Annotated[JobSubmission, Depends(from_state("submit_jobs"))]
JobMetricsDep = Annotated[JobMetrics, Depends(from_state("job_metrics"))]

router = APIRouter(prefix="/api/v1/jobs")


@router.post("", status_code=202)
async def submit_job(
    body: JobRequest,
    user: CurrentUser,
    request: Request,
    response: Response,
    *,
    submit: JobSubmissionDep,
    metrics: JobMetricsDep,
) -> JobAccepted:
    approved = parse_job_request(body, request)
    with metrics.count_submission(body.task_type, user.plan):
        job = await submit(
            build_flag_subject(user, request), approved, request.state.correlation_id
        )
    response.headers["location"] = f"/api/v1/jobs/{job.job_id}"
    if job.is_replay:
        response.headers["idempotent-replayed"] = "true"
    return JobAccepted(id=job.job_id, status=JobStatus(job.status))


@router.post("/batch", status_code=202)
async def submit_batch(
    body: JobRequests,
    user: CurrentUser,
    request: Request,
    submit: JobSubmissionDep,
    metrics: JobMetricsDep,
) -> JobOutcomes:
    approved = [parse_job_request(one, request, "jobs", n) for n, one in enumerate(body.jobs)]
    subject = build_flag_subject(user, request)
    outcomes = await submit.batch(subject, approved, request.state.correlation_id)
    if any(isinstance(one, MsaasError) for one in outcomes):
        set_replay_policy(request, ReplayPolicy.NONE)  # its owner knows those that were accepted
    for one, outcome in zip(body.jobs, outcomes, strict=True):
        metrics.count_outcome(one.task_type, user.plan, outcome)
    return JobOutcomes(items=[_build_outcome(one) for one in outcomes])


def _build_outcome(outcome: SubmittedJob | MsaasError) -> JobOutcome:
    if isinstance(outcome, MsaasError):
        return JobOutcome(ok=False, problem=describe_error(outcome))
    job = JobAccepted(id=outcome.job_id, status=JobStatus(outcome.status))
    return JobOutcome(ok=True, job=job, replayed=outcome.is_replay)


@router.get("")
async def list_jobs(
    user: CurrentUser,
    views: JobViewsDep,
    *,
    event_hub: Annotated[JobEventHub, Depends(from_state("live_jobs"))],
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    status: JobStatus | None = None,
    task_type: Annotated[str | None, Query(max_length=64)] = None,
    created_after: Moment | None = None,
) -> JobPage:
    before = PageCursor.decode(cursor) if cursor is not None else None
    if cursor is not None and before is None:
        error = {"type": "cursor", "loc": ("query", "cursor"), "msg": "Invalid cursor."}
        raise RequestValidationError([error])
    stream_cursor = event_hub.cursor
    job_filter = JobFilter(status=status, task_type=task_type, created_after=created_after)
    rows = await views.list_jobs(user.id, job_filter, before, limit + 1)
    shown = rows[:limit]
    last = PageCursor(shown[-1]["created_at"], shown[-1]["id"]) if len(rows) > limit else None
    return JobPage(
        items=[to_model(JobSummary, _with_queue_estimate(row)) for row in shown],
        next_cursor=last.encode() if last else None,
        stream_cursor=stream_cursor,
    )


@router.get("/{job_id}")
async def read_job(job_id: UUID, user: CurrentUser, views: JobViewsDep) -> Job:
    if row := await views.find_job(user.id, job_id):
        return to_model(Job, _with_queue_estimate(row))
    raise JobNotFound


def _with_queue_estimate(row: Row) -> Row:
    position = row["queue_position"]
    return {**row, "queue": None if position is None else estimate_start(position)._asdict()}


@router.get("/{job_id}/status")
async def read_status(job_id: UUID, user: CurrentUser, views: JobViewsDep) -> JobState:
    if row := await views.find_progress(user.id, job_id):
        return to_model(JobState, row)
    raise JobNotFound


@router.get("/{job_id}/result")
async def read_result(job_id: UUID, user: CurrentUser, views: JobViewsDep) -> JobResult:
    row = await views.find_result(user.id, job_id)
    if row is None:
        raise JobNotFound
    has_result = row["result"] is not None or row["result_ref"] is not None
    if row["status"] == JobStatus.COMPLETED and has_result:
        return to_model(JobResult, row)
    reason = row["last_error"] or f"The job is {row['status']}."
    raise ResultNotAvailable(f"The job has no result: {reason}")


@router.get("/{job_id}/attempts")
async def list_attempts(job_id: UUID, user: CurrentUser, views: JobViewsDep) -> Attempts:
    rows = await views.list_attempts(user.id, job_id)
    if rows is None:
        raise JobNotFound
    return to_model(Attempts, {"items": [dict(row) for row in rows]})


@router.get("/{job_id}/events", deprecated=True)
@router.get("/{job_id}/timeline")
async def read_timeline(job_id: UUID, user: CurrentUser, views: JobViewsDep) -> Timeline:
    history = await views.find_history(user.id, job_id)
    if history is None:
        raise JobNotFound
    events = build_timeline(history.job, history.attempts, history.charges)
    return Timeline(items=[Happening.model_validate(one._asdict()) for one in events])


@router.post("/{job_id}/retry", status_code=202)
async def retry_job(
    job_id: UUID, user: CurrentUser, request: Request, commands: CommandsDep
) -> JobAccepted:
    key = idempotency_key(request)
    retry_id = derive_id(user.id, f"{job_id}:{key}") if key else new_id()
    command = RetryJob(job_id=job_id, user_id=user.id, retry_id=retry_id)
    answer = await commands.send(command, request.state.correlation_id)
    return JobAccepted(id=job_id, status=JobStatus(answer["status"]))


@router.post("/{job_id}/cancel", status_code=202)
async def cancel_job(
    job_id: UUID, user: CurrentUser, request: Request, commands: CommandsDep
) -> JobAccepted:
    """Answer with the status there and then: a run that is under way ends a moment later."""
    command = CancelJob(job_id=job_id, user_id=user.id)
    answer = await commands.send(command, request.state.correlation_id)
    return JobAccepted(id=job_id, status=JobStatus(answer["status"]))
