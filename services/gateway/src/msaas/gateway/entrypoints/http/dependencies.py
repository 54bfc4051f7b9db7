"""What endpoints depend on: the caller, the request's headers, and the parts of `GatewayState`."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Query, Request
from fastapi.exceptions import RequestValidationError

from msaas.auth import Authenticator, RequireUser, UserPrincipal
from msaas.flags import FlagContext, parse_requested_flags
from msaas.gateway.application.agent_ports import AgentViews
from msaas.gateway.application.api_key_streams import ApiKeyStreams
from msaas.gateway.application.audit import Actor, Auditor
from msaas.gateway.application.billing_ports import BillingViews
from msaas.gateway.application.change_jobs_in_bulk import ChangeJobsInBulk
from msaas.gateway.application.decide_approvals import DecideApprovals
from msaas.gateway.application.features import Features
from msaas.gateway.application.invoice_ports import InvoiceViews
from msaas.gateway.application.job_event_hub import JobEventHub
from msaas.gateway.application.key_ports import KeyViews
from msaas.gateway.application.manage_access import ManageAccess
from msaas.gateway.application.manage_flags import ManageFlags
from msaas.gateway.application.manage_keys import ManageKeys
from msaas.gateway.application.manage_profile import Profiles
from msaas.gateway.application.operator_views import OperatorViews
from msaas.gateway.application.ports import CommandSender, JobViews, Row
from msaas.gateway.application.read_job_files import ReadJobFiles
from msaas.gateway.application.read_job_snapshot import ReadJobSnapshot
from msaas.gateway.application.read_summary import ReadSummary
from msaas.gateway.application.receive_webhooks import ReceiveWebhooks
from msaas.gateway.application.submit_job import JobSubmission
from msaas.gateway.domain.page_cursor import PageCursor
from msaas.gateway.entrypoints.http.job_metrics import JobMetrics
from msaas.kernel import CircuitState
from msaas.web import Health, get_correlation_id, get_state
from msaas.web.asgi import Scope

StatePart = TypeVar("StatePart")
ListTopicStats = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]
ListPauses = Callable[[UUID], Awaitable[Sequence[Row]]]
ReadCircuits = Callable[[], Mapping[str, CircuitState]]
FindAddress = Callable[[Scope], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayState:
    """Everything that endpoints call; `bootstrap` builds it once per process."""

    authenticator: Authenticator
    features: Features
    health: Health
    job_views: JobViews
    job_files: ReadJobFiles
    job_submission: JobSubmission
    job_metrics: JobMetrics
    commands: CommandSender
    event_hub: JobEventHub
    read_summary: ReadSummary
    read_job_snapshot: ReadJobSnapshot
    change_jobs_in_bulk: ChangeJobsInBulk
    profiles: Profiles
    operator_views: OperatorViews
    manage_keys: ManageKeys
    key_views: KeyViews
    key_streams: ApiKeyStreams
    manage_access: ManageAccess
    manage_flags: ManageFlags
    auditor: Auditor
    list_topic_stats: ListTopicStats
    list_pauses: ListPauses
    read_circuits: ReadCircuits
    billing_views: BillingViews
    invoice_views: InvoiceViews
    billing_commands: CommandSender
    billing_return_url: str
    webhooks: ReceiveWebhooks
    agent_views: AgentViews
    decide_approvals: DecideApprovals
    run_hub: JobEventHub
    find_address: FindAddress


def get_gateway_state(request: Request) -> GatewayState:
    return get_state(request.scope, GatewayState)


def part(
    get_part: Callable[[GatewayState], StatePart],
) -> Callable[[Request], Coroutine[Any, Any, StatePart]]:
    """Return a dependency for `Depends` that gives an endpoint one part of the state."""

    async def read(request: Request) -> StatePart:
        return get_part(get_gateway_state(request))

    return read


async def read_idempotency_key(request: Request) -> str | None:
    """Return the header as it is: `IdempotencyMiddleware` has refused an invalid one."""
    return request.headers.get("idempotency-key")


async def require_idempotency_key(request: Request) -> str:
    """Return the header, which the rule of the route makes mandatory."""
    return request.headers["idempotency-key"]


async def read_correlation_id(request: Request) -> str:
    return get_correlation_id(request.scope)


current_user = RequireUser(lambda scope: get_state(scope, GatewayState).authenticator)
CurrentUser = Annotated[UserPrincipal, Depends(current_user)]
CorrelationIdDep = Annotated[str, Depends(read_correlation_id)]
IdempotencyKeyDep = Annotated[str | None, Depends(read_idempotency_key)]
RequiredIdempotencyKey = Annotated[str, Depends(require_idempotency_key)]


async def read_actor(user: CurrentUser, correlation_id: CorrelationIdDep) -> Actor:
    return Actor(user, correlation_id)


async def read_flag_context(user: CurrentUser, request: Request) -> FlagContext:
    requested = parse_requested_flags(request.headers.get("x-feature-flag"))
    return FlagContext(user.id, user.plan, user.role, requested)


async def read_cursor(
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> PageCursor | None:
    position = PageCursor.decode(cursor) if cursor is not None else None
    if cursor is not None and position is None:
        error = {"type": "cursor", "loc": ("query", "cursor"), "msg": "Invalid cursor."}
        raise RequestValidationError([error])
    return position


CurrentActor = Annotated[Actor, Depends(read_actor)]
CurrentFlagContext = Annotated[FlagContext, Depends(read_flag_context)]
Cursor = Annotated[PageCursor | None, Depends(read_cursor)]
PageSize = Annotated[int, Query(ge=1, le=100)]

AgentViewsDep = Annotated[AgentViews, Depends(part(lambda state: state.agent_views))]
AuthenticatorDep = Annotated[Authenticator, Depends(part(lambda state: state.authenticator))]
AuditorDep = Annotated[Auditor, Depends(part(lambda state: state.auditor))]
ChangeJobsInBulkDep = Annotated[
    ChangeJobsInBulk, Depends(part(lambda state: state.change_jobs_in_bulk))
]
BillingCommandsDep = Annotated[CommandSender, Depends(part(lambda state: state.billing_commands))]
BillingViewsDep = Annotated[BillingViews, Depends(part(lambda state: state.billing_views))]
CommandsDep = Annotated[CommandSender, Depends(part(lambda state: state.commands))]
DecideApprovalsDep = Annotated[DecideApprovals, Depends(part(lambda state: state.decide_approvals))]
EventHubDep = Annotated[JobEventHub, Depends(part(lambda state: state.event_hub))]
FeaturesDep = Annotated[Features, Depends(part(lambda state: state.features))]
HealthDep = Annotated[Health, Depends(part(lambda state: state.health))]
InvoiceViewsDep = Annotated[InvoiceViews, Depends(part(lambda state: state.invoice_views))]
JobFilesDep = Annotated[ReadJobFiles, Depends(part(lambda state: state.job_files))]
JobMetricsDep = Annotated[JobMetrics, Depends(part(lambda state: state.job_metrics))]
JobSubmissionDep = Annotated[JobSubmission, Depends(part(lambda state: state.job_submission))]
JobViewsDep = Annotated[JobViews, Depends(part(lambda state: state.job_views))]
KeyStreamsDep = Annotated[ApiKeyStreams, Depends(part(lambda state: state.key_streams))]
KeyViewsDep = Annotated[KeyViews, Depends(part(lambda state: state.key_views))]
ListPausesDep = Annotated[ListPauses, Depends(part(lambda state: state.list_pauses))]
ListTopicStatsDep = Annotated[ListTopicStats, Depends(part(lambda state: state.list_topic_stats))]
ManageAccessDep = Annotated[ManageAccess, Depends(part(lambda state: state.manage_access))]
ManageFlagsDep = Annotated[ManageFlags, Depends(part(lambda state: state.manage_flags))]
ManageKeysDep = Annotated[ManageKeys, Depends(part(lambda state: state.manage_keys))]
ReadJobSnapshotDep = Annotated[
    ReadJobSnapshot, Depends(part(lambda state: state.read_job_snapshot))
]
OperatorViewsDep = Annotated[OperatorViews, Depends(part(lambda state: state.operator_views))]
ProfilesDep = Annotated[Profiles, Depends(part(lambda state: state.profiles))]
ReadCircuitsDep = Annotated[ReadCircuits, Depends(part(lambda state: state.read_circuits))]
ReadSummaryDep = Annotated[ReadSummary, Depends(part(lambda state: state.read_summary))]
ReceiveWebhooksDep = Annotated[ReceiveWebhooks, Depends(part(lambda state: state.webhooks))]
RunHubDep = Annotated[JobEventHub, Depends(part(lambda state: state.run_hub))]
FindAddressDep = Annotated[FindAddress, Depends(part(lambda state: state.find_address))]
ReturnUrlDep = Annotated[str, Depends(part(lambda state: state.billing_return_url))]
