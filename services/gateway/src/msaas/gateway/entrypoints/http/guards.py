"""What each route asks of who comes: a scope of a key, a plan, a flag. All of it, in one table.

The task catalogue says the same of each task, and a submission is held to that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from msaas.contracts import Plan, Scope
from msaas.flags import Subject, read_asked
from msaas.gateway.application.errors import NotAllowed, PlanForbidden
from msaas.gateway.application.features import Features
from msaas.web import route_of
from msaas.web.auth import Authenticator, UserPrincipal, current_user

ALL_PLANS: Final = frozenset(Plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Without a `scope` no key gets through, but a session; `flag` may be a dark one."""

    scope: Scope | None = None
    plans: frozenset[Plan] = ALL_PLANS
    flag: str | None = None


_READS_ACCOUNT: Final = Rule(scope=Scope.ACCOUNT_READ)
_READS_JOBS: Final = Rule(scope=Scope.JOBS_READ)
_WRITES_JOBS: Final = Rule(scope=Scope.JOBS_WRITE)
_OPERATES: Final = Rule(scope=Scope.OPS)
_SESSION_ONLY: Final = Rule()

Rules = Mapping[tuple[str, str], Rule]

RULES: Final[Rules] = {
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
    ("GET", "/api/v1/ops/dead-letters"): _OPERATES,
    ("GET", "/api/v1/ops/dead-letters/{letter_id}"): _OPERATES,
    ("POST", "/api/v1/ops/dead-letters/replay"): _OPERATES,
    ("POST", "/api/v1/ops/dead-letters/resolve"): _OPERATES,
    ("GET", "/api/v1/ops/flags"): _OPERATES,
    ("PUT", "/api/v1/ops/flags/{name}"): _OPERATES,
    ("DELETE", "/api/v1/ops/flags/{name}"): _OPERATES,
    ("GET", "/api/v1/ops/topics"): _OPERATES,
    ("GET", "/api/v1/ops/circuits"): _OPERATES,
}


class Guard:
    """For `Depends`, before every route; one that the table leaves out is closed to keys."""

    def __init__(self, rules: Rules = RULES) -> None:
        self._rules = rules

    async def __call__(self, request: Request) -> None:
        rule = self._rules.get((request.method, route_of(request.scope)))
        if rule is None and not _carries_key(request):
            return  # a page for everybody, say: what it asks for it asks by itself
        user = await current_user(request)
        _check_key(rule or _SESSION_ONLY, user)
        if rule is not None:
            _check_offer(rule, user, request)


def subject_of(user: UserPrincipal, request: Request) -> Subject:
    asked = read_asked(request.headers.get("x-feature-flag"))
    return Subject(user.id, user.plan, user.role, asked)


def _check_key(rule: Rule, user: UserPrincipal) -> None:
    if user.key is None:
        return
    if rule.scope is None:
        raise NotAllowed("This needs a signed-in user: no API key is enough.")
    if rule.scope not in user.key.scopes:
        raise NotAllowed(f"The API key lacks the scope {rule.scope}.")


def _check_offer(rule: Rule, user: UserPrincipal, request: Request) -> None:
    if user.plan not in rule.plans:
        raise PlanForbidden("The plan does not include this operation.")
    if rule.flag is not None:
        features: Features = request.state.features
        features.require((rule.flag,), subject_of(user, request))


def _carries_key(request: Request) -> bool:
    authenticator: Authenticator = request.state.authenticator
    return authenticator.carries_key(request.headers.get("authorization"))
