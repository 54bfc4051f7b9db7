"""What each route asks of who comes: a scope of a key, a plan, a flag. All of it, in one table.

The task catalogue says the same of each task, and a submission is held to that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from msaas.auth import Authenticator, UserPrincipal, current_user
from msaas.contracts import Plan, Scope
from msaas.flags import FlagContext, parse_requested_flags
from msaas.gateway.application.errors import NotAllowed, PlanForbidden
from msaas.gateway.application.features import Features
from msaas.web import get_route_template

ALL_PLANS: Final = frozenset(Plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRule:
    """Without a `scope` no key gets through, but a session; `flag` may be a dark one."""

    scope: Scope | None = None
    plans: frozenset[Plan] = ALL_PLANS
    flag: str | None = None


_READS_ACCOUNT: Final = RouteRule(scope=Scope.ACCOUNT_READ)
_READS_JOBS: Final = RouteRule(scope=Scope.JOBS_READ)
_WRITES_JOBS: Final = RouteRule(scope=Scope.JOBS_WRITE)
_OPERATOR: Final = RouteRule(scope=Scope.OPS)
_SESSION_ONLY: Final = RouteRule()

RouteRules = Mapping[tuple[str, str], RouteRule]

ROUTE_RULES: Final[RouteRules] = {
    ("GET", "/api/v1/me"): _READS_ACCOUNT,
    ("GET", "/api/v1/task-types"): _READS_ACCOUNT,
    ("GET", "/api/v1/flags"): _READS_ACCOUNT,
    ("GET", "/api/v1/usage"): _READS_ACCOUNT,
    ("GET", "/api/v1/summaries/usage-trend"): _READS_ACCOUNT,
    ("GET", "/api/v1/summaries/quota-forecast"): _READS_ACCOUNT,
    ("GET", "/api/v1/summaries/jobs-overview"): _READS_JOBS,
    ("GET", "/api/v1/summaries/success-rate"): _READS_JOBS,
    ("GET", "/api/v1/summaries/latency"): _READS_JOBS,
    ("GET", "/api/v1/jobs"): _READS_JOBS,
    ("GET", "/api/v1/jobs/stream"): _READS_JOBS,
    ("GET", "/api/v1/jobs/{job_id}"): _READS_JOBS,
    ("GET", "/api/v1/jobs/{job_id}/status"): _READS_JOBS,
    ("GET", "/api/v1/jobs/{job_id}/result"): _READS_JOBS,
    ("GET", "/api/v1/jobs/{job_id}/attempts"): _READS_JOBS,
    ("GET", "/api/v1/jobs/{job_id}/timeline"): _READS_JOBS,
    ("GET", "/api/v1/jobs/{job_id}/events"): _READS_JOBS,
    ("GET", "/api/v1/jobs/{job_id}/artifacts"): _READS_JOBS,
    ("GET", "/api/v1/jobs/{job_id}/artifacts/{name}"): _READS_JOBS,
    ("POST", "/api/v1/jobs"): _WRITES_JOBS,
    ("POST", "/api/v1/jobs/batch"): _WRITES_JOBS,
    ("POST", "/api/v1/jobs/{job_id}/retry"): _WRITES_JOBS,
    ("POST", "/api/v1/jobs/{job_id}/cancel"): _WRITES_JOBS,
    # A key makes no keys, and cannot look at its siblings either.
    ("GET", "/api/v1/api-keys"): _SESSION_ONLY,
    ("POST", "/api/v1/api-keys"): _SESSION_ONLY,
    ("POST", "/api/v1/api-keys/{key_id}/rotate"): _SESSION_ONLY,
    ("POST", "/api/v1/api-keys/{key_id}/revoke"): _SESSION_ONLY,
    ("GET", "/api/v1/ops/dead-letters"): _OPERATOR,
    ("GET", "/api/v1/ops/dead-letters/{letter_id}"): _OPERATOR,
    ("POST", "/api/v1/ops/dead-letters/replay"): _OPERATOR,
    ("POST", "/api/v1/ops/dead-letters/resolve"): _OPERATOR,
    ("GET", "/api/v1/ops/flags"): _OPERATOR,
    ("PUT", "/api/v1/ops/flags/{name}"): _OPERATOR,
    ("DELETE", "/api/v1/ops/flags/{name}"): _OPERATOR,
    ("GET", "/api/v1/ops/topics"): _OPERATOR,
    ("GET", "/api/v1/ops/circuits"): _OPERATOR,
}


class RouteGuard:
    """For `Depends`, before every route; one that the table leaves out is closed to keys."""

    def __init__(self, rules: RouteRules = ROUTE_RULES) -> None:
        self._rules = rules

    async def __call__(self, request: Request) -> None:
        rule = self._rules.get((request.method, get_route_template(request.scope)))
        if rule is None and not _carries_key(request):
            return  # a page for everybody, say: what it asks for it asks by itself
        user = await current_user(request)
        _check_key(rule or _SESSION_ONLY, user)
        if rule is not None:
            _check_plan_and_flag(rule, user, request)


def build_flag_subject(user: UserPrincipal, request: Request) -> FlagContext:
    asked = parse_requested_flags(request.headers.get("x-feature-flag"))
    return FlagContext(user.id, user.plan, user.role, asked)


def _check_key(rule: RouteRule, user: UserPrincipal) -> None:
    if user.api_key is None:
        return
    if rule.scope is None:
        raise NotAllowed("This operation requires a user session, not an API key.")
    if rule.scope not in user.api_key.scopes:
        raise NotAllowed(f"The API key lacks the scope {rule.scope}.")


def _check_plan_and_flag(rule: RouteRule, user: UserPrincipal, request: Request) -> None:
    if user.plan not in rule.plans:
        raise PlanForbidden("The plan does not include this operation.")
    if rule.flag is not None:
        features: Features = request.state.features
        features.require((rule.flag,), build_flag_subject(user, request))


def _carries_key(request: Request) -> bool:
    authenticator: Authenticator = request.state.authenticator
    return authenticator.has_api_key(request.headers.get("authorization"))
