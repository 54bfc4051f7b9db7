"""Operators change roles, ban accounts and end sessions: at once, for keys too, and audited."""

import time
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio
from services.gateway.tests.conftest import (
    ApiUser,
    FakeIssuer,
    OpenGateway,
    RunningGateway,
    SignIn,
)

from msaas.gateway.settings import Settings
from msaas.testing import wait_until

WHY = {"reason": "A lost laptop."}
OPERATOR = {"role": "operator"}


@pytest_asyncio.fixture
async def operator(sign_in: SignIn) -> ApiUser:
    return await sign_in(app_metadata=OPERATOR)


async def make_key(user: ApiUser, *scopes: str) -> dict[str, str]:
    made = await user.request("POST", "/api-keys", json={"name": "k", "scopes": list(scopes)})
    assert made.status_code == 201
    return {"authorization": f"Bearer {made.json()['key']}"}


async def list_audited(rows: asyncpg.Connection, user_id: UUID) -> list[str]:
    sql = (
        "SELECT body->>'action' AS action FROM identity.audit_outbox"
        " WHERE body->>'target' = $1 AND body->>'target_kind' = 'user' ORDER BY id"
    )
    return [row["action"] for row in await rows.fetch(sql, str(user_id))]


async def status(user: ApiUser, path: str, headers: dict[str, str] | None = None) -> int:
    return (await user.request("GET", path, headers=headers or {})).status_code


async def test_a_demoted_operator_is_none_at_once_in_sessions_and_by_key(
    operator: ApiUser, sign_in: SignIn, rows: asyncpg.Connection
) -> None:
    other = await sign_in(app_metadata=OPERATOR)
    key = await make_key(other, "ops")
    assert [await status(other, "/ops/topics"), await status(other, "/ops/topics", key)] == [
        200
    ] * 2
    path = f"/ops/users/{other.id}/role"
    for _ in range(2):
        demoted = await operator.request("PUT", path, json=WHY | {"role": "user"})
        assert (demoted.status_code, demoted.json()["role"]) == (200, "user")
    assert [await status(other, "/ops/topics"), await status(other, "/ops/topics", key)] == [
        403
    ] * 2
    assert await status(other, "/me") == 200
    assert await list_audited(rows, other.id) == ["user.role_set"]
    await operator.request("PUT", path, json=WHY | OPERATOR)
    assert await status(other, "/ops/topics") == 200


async def test_a_session_is_an_operators_by_its_token_and_by_the_row(
    operator: ApiUser, issuer: FakeIssuer, sign_in: SignIn, rows: asyncpg.Connection
) -> None:
    without_claim = {"authorization": f"Bearer {issuer.token(operator.id)}"}
    assert await status(operator, "/ops/topics") == 200
    assert await status(operator, "/ops/topics", without_claim) == 403
    assert await status(operator, "/ops/topics") == 200
    user = await sign_in()
    claimed = {"authorization": f"Bearer {issuer.token(user.id, app_metadata=OPERATOR)}"}
    assert await status(user, "/ops/topics", claimed) == 403


async def test_a_banned_user_is_refused_at_once_in_sessions_and_by_key(
    operator: ApiUser, sign_in: SignIn, rows: asyncpg.Connection
) -> None:
    user = await sign_in()
    key = await make_key(user, "account:read")
    assert [await status(user, "/me"), await status(user, "/me", key)] == [200, 200]
    path = f"/ops/users/{user.id}/ban"
    for banned, found in ((True, 401), (True, 401), (False, 200)):
        answer = await operator.request("PUT", path, json=WHY | {"banned": banned})
        assert answer.status_code == 200
        assert (answer.json()["banned_at"] is not None) == banned
        assert await status(user, "/me") == found
    assert await list_audited(rows, user.id) == ["user.banned", "user.unbanned"]


async def test_ended_sessions_and_keys_are_refused_and_a_new_sign_in_is_not(
    operator: ApiUser,
    sign_in: SignIn,
    issuer: FakeIssuer,
    rows: asyncpg.Connection,
    open_gateway: OpenGateway,
    gateway: RunningGateway,
    gateway_settings: Settings,
) -> None:
    user = await sign_in()
    key = await make_key(user, "account:read", "jobs:read")
    other, url = await open_gateway(gateway_settings)
    async with (
        httpx.AsyncClient(base_url=f"{url}/api/v1", headers=user.headers, timeout=60) as there,
        there.stream("GET", "/jobs/stream") as stream,
    ):
        lines = stream.aiter_lines()
        assert (await anext(lines)).startswith("retry:")
        ended = await operator.request("POST", f"/ops/users/{user.id}/end-access", json=WHY)
        assert (ended.status_code, ended.json()["banned_at"]) == (200, None)
        now = time.time()
        refreshed = issuer.token(
            user.id, iat=int(now) + 2, amr=[{"method": "password", "timestamp": int(now) - 60}]
        )
        renewed = {"authorization": f"Bearer {refreshed}"}
        for headers in (None, key, renewed):
            assert await status(user, "/me", headers) == 401

        async def is_refused_there() -> bool:
            return (await there.get("/me")).status_code == 401

        await wait_until(is_refused_there)
        closed = next(t for t in other.periodic_tasks if t.name == "closed accounts")
        closed.wake()
        assert not [line async for line in lines if line.startswith("event: job")], "it ends"
    anew = {"authorization": f"Bearer {issuer.token(user.id, iat=int(time.time()) + 2)}"}
    assert await status(user, "/me", anew) == 200
    assert await list_audited(rows, user.id) == ["user.access_ended"]
    assert gateway.gateway.event_hub.open_count == 0


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "role", {"role": "user"}),
        ("PUT", "ban", {"banned": True}),
        ("POST", "end-access", {}),
    ],
)
async def test_access_is_changed_by_operators_only_with_a_reason_and_of_known_users(
    operator: ApiUser, sign_in: SignIn, method: str, path: str, body: dict[str, Any]
) -> None:
    user = await sign_in()
    change = f"/ops/users/{user.id}/{path}"
    assert (await user.request(method, change, json=body | WHY)).status_code == 403
    assert (await operator.request(method, change, json=body)).status_code == 422
    unknown = await operator.request(method, f"/ops/users/{uuid4()}/{path}", json=body | WHY)
    assert unknown.status_code == 404
    if path != "end-access":
        own = await operator.request(method, f"/ops/users/{operator.id}/{path}", json=body | WHY)
        assert own.status_code == 403
