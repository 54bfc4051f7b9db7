"""Jobs: submit, list, look closer, cancel."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError

from msaas.contracts import CancelJob, JobStatus, RetryJob
from msaas.gateway.application.errors import JobNotFound, NoResultYet
from msaas.gateway.application.live_jobs import LiveJobs
from msaas.gateway.application.ports import Commands, JobFilter, JobViews, Row
from msaas.gateway.application.submit_job import JobSubmission, Submitted
from msaas.gateway.domain.pages import PageCursor
from msaas.gateway.domain.queueing import explain
from msaas.gateway.domain.repeats import Keeping
from msaas.gateway.domain.timeline import tell
from msaas.gateway.entrypoints.http.guards import subject_of
from msaas.gateway.entrypoints.http.idempotency import keep_answer
from msaas.gateway.entrypoints.http.job_metrics import JobMetrics
from msaas.gateway.entrypoints.http.job_requests import approve, idempotency_key
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
from msaas.web import describe, from_state
from msaas.web.auth import UserPrincipal, current_user

User = Annotated[UserPrincipal, Depends(current_user)]
Views = Annotated[JobViews, Depends(from_state("job_views"))]
Owner = Annotated[Commands, Depends(from_state("commands"))]
Submit = Annotated[JobSubmission, Depends(from_state("submit_jobs"))]
Counts = Annotated[JobMetrics, Depends(from_state("job_metrics"))]

router = APIRouter(prefix="/api/v1/jobs")


@router.post("", status_code=202)
async def submit_job(
    body: JobRequest,
    user: User,
    request: Request,
    response: Response,
    *,
    submit: Submit,
    metrics: Counts,
) -> JobAccepted:
    approved = approve(body, request)
    with metrics.submitting(body.task_type, user.plan):
        job = await submit(subject_of(user, request), approved, request.state.correlation_id)
    response.headers["location"] = f"/api/v1/jobs/{job.job_id}"
    if job.is_replay:
        response.headers["idempotent-replayed"] = "true"
    return JobAccepted(id=job.job_id, status=JobStatus(job.status))


@router.post("/batch", status_code=202)
async def submit_batch(
    body: JobRequests, user: User, request: Request, submit: Submit, metrics: Counts
) -> JobOutcomes:
    approved = [approve(one, request, "jobs", n) for n, one in enumerate(body.jobs)]
    who = subject_of(user, request)
    outcomes = await submit.batch(who, approved, request.state.correlation_id)
    if any(isinstance(one, MsaasError) for one in outcomes):
        keep_answer(request, Keeping.NOTHING)  # its owner knows those that were accepted
    for one, outcome in zip(body.jobs, outcomes, strict=True):
        metrics.count(one.task_type, user.plan, outcome)
    return JobOutcomes(items=[_outcome(one) for one in outcomes])


def _outcome(outcome: Submitted | MsaasError) -> JobOutcome:
    if isinstance(outcome, MsaasError):
        return JobOutcome(ok=False, problem=describe(outcome))
    job = JobAccepted(id=outcome.job_id, status=JobStatus(outcome.status))
    return JobOutcome(ok=True, job=job, replayed=outcome.is_replay)


@router.get("")
async def list_jobs(
    user: User,
    views: Views,
    *,
    live: Annotated[LiveJobs, Depends(from_state("live_jobs"))],
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    status: JobStatus | None = None,
    task_type: Annotated[str | None, Query(max_length=64)] = None,
    created_after: Moment | None = None,
) -> JobPage:
    before = PageCursor.decode(cursor) if cursor is not None else None
    if cursor is not None and before is None:
        fault = {"type": "cursor", "loc": ("query", "cursor"), "msg": "This is no cursor of ours"}
        raise RequestValidationError([fault])
    stream_cursor = live.cursor
    wanted = JobFilter(status=status, task_type=task_type, created_after=created_after)
    rows = await views.list_jobs(user.id, wanted, before, limit + 1)
    shown = rows[:limit]
    last = PageCursor(shown[-1]["created_at"], shown[-1]["id"]) if len(rows) > limit else None
    return JobPage(
        items=[to_model(JobSummary, _explained(row)) for row in shown],
        next_cursor=last.encode() if last else None,
        stream_cursor=stream_cursor,
    )


@router.get("/{job_id}")
async def read_job(job_id: UUID, user: User, views: Views) -> Job:
    if row := await views.find_job(user.id, job_id):
        return to_model(Job, _explained(row))
    raise JobNotFound


def _explained(row: Row) -> Row:
    place = row["place"]
    return {**row, "queue": None if place is None else explain(place)._asdict()}


@router.get("/{job_id}/status")
async def read_status(job_id: UUID, user: User, views: Views) -> JobState:
    if row := await views.find_progress(user.id, job_id):
        return to_model(JobState, row)
    raise JobNotFound


@router.get("/{job_id}/result")
async def read_result(job_id: UUID, user: User, views: Views) -> JobResult:
    row = await views.find_result(user.id, job_id)
    if row is None:
        raise JobNotFound
    is_there = row["result"] is not None or row["result_ref"] is not None
    if row["status"] == JobStatus.COMPLETED and is_there:
        return to_model(JobResult, row)
    why = row["last_error"] or f"The job is {row['status']}."
    raise NoResultYet(f"The job has no result: {why}")


@router.get("/{job_id}/attempts")
async def list_attempts(job_id: UUID, user: User, views: Views) -> Attempts:
    rows = await views.list_attempts(user.id, job_id)
    if rows is None:
        raise JobNotFound
    return to_model(Attempts, {"items": [dict(row) for row in rows]})


@router.get("/{job_id}/events", deprecated=True)
@router.get("/{job_id}/timeline")
async def read_timeline(job_id: UUID, user: User, views: Views) -> Timeline:
    story = await views.find_story(user.id, job_id)
    if story is None:
        raise JobNotFound
    told = tell(story.job, story.attempts, story.charges)
    return Timeline(items=[Happening.model_validate(one._asdict()) for one in told])


@router.post("/{job_id}/retry", status_code=202)
async def retry_job(job_id: UUID, user: User, request: Request, commands: Owner) -> JobAccepted:
    key = idempotency_key(request)
    retry_id = derive_id(user.id, f"{job_id}:{key}") if key else new_id()
    command = RetryJob(job_id=job_id, user_id=user.id, retry_id=retry_id)
    answer = await commands.carry_out(command, request.state.correlation_id)
    return JobAccepted(id=job_id, status=JobStatus(answer["status"]))


@router.post("/{job_id}/cancel", status_code=202)
async def cancel_job(job_id: UUID, user: User, request: Request, commands: Owner) -> JobAccepted:
    """Answer with the status there and then: a run that is under way ends a moment later."""
    command = CancelJob(job_id=job_id, user_id=user.id)
    answer = await commands.carry_out(command, request.state.correlation_id)
    return JobAccepted(id=job_id, status=JobStatus(answer["status"]))
