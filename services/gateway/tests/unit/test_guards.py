"""Every route has its rule, and a rule lets through exactly whom it names."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.params import Depends
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from msaas.auth import ApiKeyGrant, Identity, UserPrincipal
from msaas.contracts import TASKS, Plan
from msaas.contracts import Scope as KeyScope
from msaas.flags import FLAGS, FeatureFlags, Overrides, Rollout
from msaas.gateway.application.features import Features
from msaas.gateway.bootstrap import ROUTERS
from msaas.gateway.entrypoints.http.guards import ROUTE_RULES, RouteGuard, RouteRule
from msaas.telemetry import Metrics
from msaas.web import create_app

DARK = "FF_AGENTS_ENABLED"
ANN = UUID(int=1)
OPEN: Overrides = {(DARK, "global"): Rollout(0, internal=True)}
SESSION_ONLY = {path for (_, path), rule in ROUTE_RULES.items() if rule.scope is None}


class FakeAuthenticator:
    """Plays the authenticator: a credential says what its bearer is."""

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


def build(overrides: Overrides) -> Any:
    router = APIRouter()

    async def answer() -> dict[str, bool]:
        return {"ok": True}

    for path in ("/read", "/session", "/paid", "/dark", "/page"):
        router.add_api_route(path, answer)
    rules = {
        ("GET", "/read"): RouteRule(scope=KeyScope.JOBS_READ),
        ("GET", "/session"): RouteRule(),
        ("GET", "/paid"): RouteRule(scope=KeyScope.JOBS_READ, plans=frozenset({Plan.PRO})),
        ("GET", "/dark"): RouteRule(flag=DARK),
    }
    metrics = Metrics("gateway", "test")
    switches = FeatureFlags({})
    switches.set_overrides(overrides)
    app: FastAPI = create_app(
        title="t", metrics=metrics, routers=[router], dependencies=[Depends(RouteGuard(rules))]
    )
    state = {
        "authenticator": FakeAuthenticator(WHO),
        "features": Features(switches, NoFlags(), metrics),
    }

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    return with_state


@pytest.mark.parametrize(
    ("who", "path", "asked", "answer"),
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
        ("", "/page", "", "ok"),
        ("session", "/page", "", "ok"),
        ("key read", "/page", "", "forbidden"),
    ],
)
async def test_a_rule_lets_through_whom_it_names(
    who: str, path: str, asked: str, answer: str
) -> None:
    transport = httpx.ASGITransport(app=build(OPEN))
    headers = {"authorization": who, "x-feature-flag": asked}
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        body = (await http.get(path, headers=headers)).json()
    assert body.get("code", "ok") == answer
    assert body.get("flag") in {None, DARK}


def test_every_route_has_a_rule_and_every_rule_a_route() -> None:
    routes = {
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert routes == ROUTE_RULES.keys()


def test_the_table_by_kinds_of_route() -> None:
    """What reads, what writes, what only a session may, what only operators may."""
    for (method, path), rule in ROUTE_RULES.items():
        expected = None if "/api-keys" in path else KeyScope.ACCOUNT_READ
        if "/ops/" in path:
            expected = KeyScope.OPS
        elif "/jobs" in path or path.endswith(("success-rate", "latency")):
            expected = KeyScope.JOBS_READ if method == "GET" else KeyScope.JOBS_WRITE
        assert rule.scope == expected, path
        assert rule.flag is None or rule.flag in FLAGS
    assert len(SESSION_ONLY) == 3


@pytest.mark.parametrize("task", [one for one in TASKS.values() if one.topic != "jobs.generic"])
def test_each_task_that_does_something_outside_has_a_switch(task: Any) -> None:
    assert task.flags
    assert set(task.flags) <= FLAGS.keys()
