"""Every route has a rule, and a rule allows exactly the callers that it names."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter
from starlette.types import Receive, Scope, Send

from msaas.auth import ApiKeyGrant, Identity, UserPrincipal
from msaas.contracts import TASKS, Plan, Task
from msaas.contracts import Scope as KeyScope
from msaas.flags import FLAGS, FeatureFlags, Overrides, Rollout
from msaas.gateway.application.features import Features
from msaas.gateway.domain.idempotency import ReplayPolicy
from msaas.gateway.domain.rate_limit_rules import RateLimitCategory
from msaas.gateway.entrypoints.http.dependencies import GatewayState
from msaas.gateway.entrypoints.http.route_rules import (
    RouteRule,
    RouteRules,
    RuleMissing,
    guard,
)
from msaas.gateway.entrypoints.http.routers import PAGES, ROUTERS
from msaas.telemetry import Metrics
from msaas.web import build_scope_state, create_app

DARK = "FF_AGENTS_ENABLED"
ANN = UUID(int=1)
OPEN: Overrides = {(DARK, "global"): Rollout(0, internal=True)}
API_RULES = RouteRules(ROUTERS).by_operation
RULES = {
    "/read": RouteRule(scope=KeyScope.JOBS_READ),
    "/session": RouteRule(),
    "/paid": RouteRule(scope=KeyScope.JOBS_READ, plans=frozenset({Plan.PRO})),
    "/dark": RouteRule(flag=DARK),
    "/operators": RouteRule(scope=KeyScope.OPS, operators_only=True),
    "/page": RouteRule(is_public=True),
}


class FakeAuthenticator:
    """An authenticator whose credentials are the names of users."""

    def __init__(self, users: Mapping[str, UserPrincipal]) -> None:
        self._users = users

    async def authenticate_scope(self, scope: Scope) -> Identity:
        credential = dict(scope["headers"])[b"authorization"].decode()
        return Identity(self._users[credential], 4_102_444_800)

    def has_api_key(self, authorization: str | None) -> bool:
        return (authorization or "").startswith("key")


class NoFlags:
    async def get_version(self) -> str:
        return "m"

    async def load_overrides(self) -> Overrides:
        return {}


def principal(plan: str = "PRO", role: str = "user", scope: str | None = None) -> UserPrincipal:
    grant = None if scope is None else ApiKeyGrant(UUID(int=9), frozenset({scope}))
    return UserPrincipal(ANN, None, plan, None, role, api_key=grant)


WHO = {
    "session": principal(),
    "operator": principal(role="operator"),
    "free": principal(plan="FREE"),
    "key read": principal(scope="jobs:read"),
    "key write": principal(scope="jobs:write"),
}


async def answer() -> dict[str, bool]:
    return {"ok": True}


def build(overrides: Overrides) -> Any:
    router = APIRouter()
    for path, rule in RULES.items():
        router.add_api_route(path, answer, dependencies=[guard(rule)])
    metrics = Metrics("gateway", "test")
    switches = FeatureFlags({})
    switches.set_overrides(overrides)
    app = create_app(title="t", metrics=metrics, routers=[router])
    # The other parts are not read here.
    parts: dict[str, Any] = dict.fromkeys(GatewayState.__dataclass_fields__)
    parts |= {
        "authenticator": FakeAuthenticator(WHO),
        "features": Features(switches, NoFlags(), metrics),
    }
    state = build_scope_state(GatewayState(**parts))

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    return with_state


@pytest.mark.parametrize(
    ("who", "path", "requested", "outcome"),
    [
        ("session", "/read", "", "ok"),
        ("key read", "/read", "", "ok"),
        ("key write", "/read", "", "forbidden"),
        ("session", "/session", "", "ok"),
        ("key read", "/session", "", "forbidden"),
        ("session", "/paid", "", "ok"),
        ("free", "/paid", "", "plan_forbidden"),
        ("key write", "/paid", "", "forbidden"),
        ("session", "/dark", "", "feature_flag_disabled"),
        ("session", "/dark", DARK, "feature_flag_disabled"),
        ("operator", "/dark", "", "feature_flag_disabled"),
        ("operator", "/dark", DARK, "ok"),
        ("operator", "/operators", "", "ok"),
        ("session", "/operators", "", "forbidden"),
        ("key read", "/operators", "", "forbidden"),
        ("", "/page", "", "ok"),
        ("session", "/page", "", "ok"),
        ("key read", "/page", "", "forbidden"),
    ],
)
async def test_a_rule_allows_the_callers_that_it_names(
    who: str, path: str, requested: str, outcome: str
) -> None:
    transport = httpx.ASGITransport(app=build(OPEN))
    headers = {"authorization": who, "x-feature-flag": requested}
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        body = (await http.get(path, headers=headers)).json()
    assert body.get("code", "ok") == outcome
    assert body.get("flag") in {None, DARK}


def test_an_application_with_a_route_without_a_rule_does_not_start() -> None:
    RouteRules([*ROUTERS, PAGES])
    router = APIRouter()
    router.add_api_route("/read", answer)
    with pytest.raises(RuleMissing, match="/read declares 0 rules"):
        RouteRules([router])


def test_only_pages_are_public() -> None:
    assert not any(rule.is_public for rule in API_RULES.values())
    assert all(rule.is_public for rule in RouteRules([PAGES]).by_operation.values())


def test_scopes_follow_the_kind_of_route() -> None:
    for (method, path), rule in API_RULES.items():
        # Keys, the profile and money are changed by people only.
        changes_account = method != "GET" and ("/me" in path or "/billing/" in path)
        expected = None if "/api-keys" in path or changes_account else KeyScope.ACCOUNT_READ
        if "/ops/" in path:
            expected = KeyScope.OPS
        elif path.endswith(("/approve", "/resume")):
            expected = None  # only a person decides
        elif (
            ("/jobs" in path and "/billing/" not in path)
            or "/agents/" in path
            or path.endswith(("success-rate", "latency"))
        ):
            expected = KeyScope.JOBS_READ if method == "GET" else KeyScope.JOBS_WRITE
        assert rule.scope == expected, path
        assert rule.operators_only == ("/ops/" in path), path
        assert rule.flag == (DARK if "/agents/" in path else None), path
    assert len({path for (_, path), rule in API_RULES.items() if rule.scope is None}) == 12


def test_changes_of_keys_and_of_money_decisions_and_operators_have_the_critical_limit() -> None:
    for (method, path), rule in API_RULES.items():
        decides = path.endswith(("/approve", "/resume"))
        guarded = ("/api-keys" in path, "/ops/" in path, "/billing/" in path, decides)
        critical = method != "GET" and any(guarded)
        expected = RateLimitCategory.CRITICAL if critical else RateLimitCategory.STANDARD
        if path.endswith("/snapshot"):
            expected = RateLimitCategory.SNAPSHOTS
        assert rule.rate_limit == expected, path


def test_no_response_with_an_api_key_is_stored() -> None:
    for (method, path), rule in API_RULES.items():
        if method != "GET":
            marker_only = rule.replay is ReplayPolicy.MARKER_ONLY
            has_secret = "/api-keys" in path or path.endswith("/portal-session")
            assert marker_only == has_secret, path


def test_every_change_of_money_requires_an_idempotency_key() -> None:
    changes = [
        rule
        for (method, path), rule in API_RULES.items()
        if method != "GET" and "/billing/" in path
    ]
    assert changes
    assert all(rule.requires_idempotency_key for rule in changes)


@pytest.mark.parametrize("task", [task for task in TASKS.values() if task.topic != "jobs.generic"])
def test_each_task_with_an_external_effect_has_a_flag(task: Task) -> None:
    assert task.flags
    assert set(task.flags) <= FLAGS.keys()
