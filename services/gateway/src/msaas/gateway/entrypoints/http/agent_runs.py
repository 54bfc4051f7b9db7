"""Agent runs: begin them, read them, and decide what they ask."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from fastapi.exceptions import RequestValidationError

from msaas.contracts import (
    RUN_CEILINGS,
    ApproveStep,
    JobStatus,
    Plan,
    ResumeRun,
    Scope,
    WorkflowType,
)
from msaas.gateway.application.agent_ports import RunFilter
from msaas.gateway.application.errors import AnswerRefused, PassageNotFound, RunNotFound
from msaas.gateway.domain.page_cursor import PageCursor
from msaas.gateway.domain.rate_limit_rules import RateLimitCategory
from msaas.gateway.entrypoints.http.agent_models import (
    AgentApprovals,
    AgentRun,
    AgentRunPage,
    AgentSteps,
    ApprovalAnswer,
    ApprovalDecision,
    ApprovalOutcome,
    Passage,
    RunCeilingsOfPlan,
    ShownState,
    build_run,
    build_run_summary,
)
from msaas.gateway.entrypoints.http.dependencies import (
    AgentViewsDep,
    CorrelationIdDep,
    CurrentFlagContext,
    CurrentUser,
    Cursor,
    DecideApprovalsDep,
    JobMetricsDep,
    JobSubmissionDep,
    PageSize,
)
from msaas.gateway.entrypoints.http.job_requests import JobRequestParserDep
from msaas.gateway.entrypoints.http.models import JobAccepted, JobRequest, to_model
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard

FLAG: Final = "FF_AGENTS_ENABLED"
CONTEXT_CHARACTERS: Final = 600
_MAX_PLACE: Final = 2**31 - 1
_READS: Final = guard(RouteRule(scope=Scope.JOBS_READ, flag=FLAG))
_WRITES: Final = guard(RouteRule(scope=Scope.JOBS_WRITE, flag=FLAG))
# Without a scope: only a person decides, never a program with a key.
_DECIDES: Final = guard(RouteRule(flag=FLAG, rate_limit=RateLimitCategory.CRITICAL))
Place = Annotated[int, Query(ge=0, le=_MAX_PLACE)]
Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]

router = APIRouter(prefix="/api/v1/agents")


@router.post("/workflows/{workflow_type}/runs", status_code=202, dependencies=[_WRITES])
async def submit_run(
    workflow_type: WorkflowType,
    body: dict[str, Any],
    caller: CurrentFlagContext,
    parser: JobRequestParserDep,
    correlation_id: CorrelationIdDep,
    *,
    response: Response,
    submit: JobSubmissionDep,
    metrics: JobMetricsDep,
) -> JobAccepted:
    """Submit the job that the run is; the request does not wait for it."""
    task_type = f"workflow.{workflow_type}"
    try:
        request = parser.parse(JobRequest(task_type=task_type, params=body))
    except RequestValidationError as invalid:
        # The body of this request is what the parser knows as `params`.
        errors = [{**error, "loc": ("body", *error["loc"][2:])} for error in invalid.errors()]
        raise RequestValidationError(errors) from invalid
    with metrics.count_submission(task_type, caller.plan):
        job = await submit(caller, request, correlation_id)
    response.headers["location"] = f"/api/v1/agents/runs/{job.job_id}"
    if job.is_replay:
        response.headers["idempotent-replayed"] = "true"
    return JobAccepted(id=job.job_id, status=JobStatus(job.status))


@router.get("/ceilings", dependencies=[_READS])
async def read_ceilings(user: CurrentUser) -> RunCeilingsOfPlan:
    """Return the most that one run of the user's plan may use."""
    return RunCeilingsOfPlan.model_validate(RUN_CEILINGS[Plan(user.plan)].model_dump())


@router.get("/runs", dependencies=[_READS])
async def list_runs(
    user: CurrentUser,
    views: AgentViewsDep,
    before: Cursor,
    workflow_type: Annotated[WorkflowType | None, Query(alias="type")] = None,
    state: ShownState | None = None,
    *,
    limit: PageSize = 20,
) -> AgentRunPage:
    chosen = RunFilter(workflow_type=workflow_type, state=state)
    rows = await views.list_runs(user.id, chosen, before, limit + 1)
    shown = rows[:limit]
    next_cursor = None
    if len(rows) > limit:
        next_cursor = PageCursor(shown[-1]["created_at"], shown[-1]["id"]).encode()
    return AgentRunPage(items=[build_run_summary(row) for row in shown], next_cursor=next_cursor)


@router.get("/runs/{run_id}", dependencies=[_READS])
async def read_run(run_id: UUID, user: CurrentUser, views: AgentViewsDep) -> AgentRun:
    if row := await views.find_run(user.id, run_id):
        return build_run(row)
    raise RunNotFound


@router.get("/runs/{run_id}/steps", dependencies=[_READS])
async def list_steps(
    run_id: UUID,
    user: CurrentUser,
    views: AgentViewsDep,
    after: Annotated[int, Query(ge=-1, le=_MAX_PLACE)] = -1,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 1_000,
) -> AgentSteps:
    rows = await views.list_steps(user.id, run_id, after, limit + 1)
    if rows is None:
        raise RunNotFound
    shown = [dict(row) for row in rows[:limit]]
    next_after = shown[-1]["seq"] if len(rows) > limit else None
    steps: AgentSteps = to_model(AgentSteps, {"items": shown, "next_after": next_after})
    return steps


@router.get("/runs/{run_id}/approvals", dependencies=[_READS])
async def list_approvals(run_id: UUID, user: CurrentUser, views: AgentViewsDep) -> AgentApprovals:
    rows = await views.list_approvals(user.id, run_id)
    if rows is None:
        raise RunNotFound
    approvals: AgentApprovals = to_model(AgentApprovals, {"items": [dict(row) for row in rows]})
    return approvals


@router.get("/runs/{run_id}/passages/{sha256}", dependencies=[_READS])
async def read_passage(
    run_id: UUID,
    sha256: Digest,
    user: CurrentUser,
    views: AgentViewsDep,
    start: Place,
    *,
    end: Place,
    whole: bool = False,
) -> Passage:
    """Return the place of a citation in its text, with all of the text if `whole`."""
    if end < start:
        error = {"type": "range", "loc": ("query", "end"), "msg": "The end is before the start"}
        raise RequestValidationError([error])
    around = None if whole else CONTEXT_CHARACTERS
    if row := await views.find_passage(user.id, run_id, sha256, (start, end), around):
        passage: Passage = to_model(Passage, row)
        return passage
    raise PassageNotFound


@router.post("/runs/{run_id}/approve", status_code=202, dependencies=[_DECIDES])
async def approve_step(
    run_id: UUID,
    body: ApprovalDecision,
    user: CurrentUser,
    decide: DecideApprovalsDep,
    correlation_id: CorrelationIdDep,
) -> ApprovalOutcome:
    """Return the decision that counts, which is the first."""
    command = ApproveStep(
        run_id=run_id,
        user_id=user.id,
        approval_id=body.approval_id,
        approved=body.approved,
        note=body.note,
    )
    return ApprovalOutcome.model_validate(await decide.approve(command, correlation_id))


@router.post("/runs/{run_id}/resume", status_code=202, dependencies=[_DECIDES])
async def resume_run(
    run_id: UUID,
    body: ApprovalAnswer,
    user: CurrentUser,
    decide: DecideApprovalsDep,
    correlation_id: CorrelationIdDep,
) -> ApprovalOutcome:
    """Return the state of the question: the first answer counts."""
    command = ResumeRun(
        run_id=run_id, user_id=user.id, approval_id=body.approval_id, answer=body.answer
    )
    try:
        outcome = await decide.answer(command, correlation_id)
    except AnswerRefused as refused:
        errors = [
            {"type": fault.kind, "loc": ("body", "answer", *fault.path), "msg": fault.message}
            for fault in refused.faults
        ]
        raise RequestValidationError(errors) from refused
    return ApprovalOutcome.model_validate(outcome)
