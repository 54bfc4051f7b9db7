"""The live stream of one agent run: its state, its steps and the text that is being written."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from msaas.contracts import Scope as ApiKeyScope
from msaas.gateway.application.errors import RunNotFound
from msaas.gateway.entrypoints.http.agent_runs import FLAG
from msaas.gateway.entrypoints.http.dependencies import AgentViewsDep, CurrentUser, RunHubDep
from msaas.gateway.entrypoints.http.job_stream import OpenStreamDep
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard

router = APIRouter(prefix="/api/v1/agents/runs")


@router.get(
    "/{run_id}/stream", dependencies=[guard(RouteRule(scope=ApiKeyScope.JOBS_READ, flag=FLAG))]
)
async def stream_run(
    run_id: UUID,
    request: Request,
    user: CurrentUser,
    views: AgentViewsDep,
    run_hub: RunHubDep,
    *,
    open_stream: OpenStreamDep,
) -> Response:
    """Without a position, begin with what is still kept of the run."""
    if await views.find_run(user.id, run_id) is None:
        raise RunNotFound
    return await open_stream(request, run_hub, run_id=run_id)
