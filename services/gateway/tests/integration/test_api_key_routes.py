"""API keys over HTTP: shown once, limited to their scopes, rotated once, revoked within seconds."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from services.gateway.tests.conftest import (
    ApiUser,
    FakeJobsService,
    OpenGateway,
    RunningGateway,
    SignIn,
)

from msaas.contracts import Scope
from msaas.gateway.application import api_key_verifier
from msaas.gateway.application.manage_keys import MAX_KEYS
from msaas.gateway.entrypoints.http.route_rules import RouteRules
from msaas.gateway.entrypoints.http.routers import ROUTERS
from msaas.gateway.settings import Settings
from msaas.testing import wait_until

ALL = [str(scope) for scope in Scope if scope is not Scope.OPS]


async def make(user: ApiUser, *scopes: str, **fields: Any) -> dict[str, Any]:
    body = {"name": "a key", "scopes": list(scopes) or ALL} | fields
    answer = await user.request("POST", "/api-keys", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def with_key(
    user: ApiUser, key: str, method: str, path: str, **options: Any
) -> httpx.Response:
    return await user.request(method, path, headers={"authorization": f"Bearer {key}"}, **options)


async def test_a_key_is_shown_once_and_works_like_a_session(
    sign_in: SignIn, fake_jobs: FakeJobsService, rows: asyncpg.Connection, gateway: RunningGateway
) -> None:
    user = await sign_in()
    made = await user.request("POST", "/api-keys", json={"name": "ci", "scopes": ALL})
    assert made.headers["cache-control"] == "no-store"
    key = made.json()["key"]
    assert (await with_key(user, key, "GET", "/me")).json()["id"] == str(user.id)
    body = {"task_type": "echo", "params": {"message": "hello"}}
    assert (await with_key(user, key, "POST", "/jobs", json=body)).status_code == 202
    [listed] = (await user.request("GET", "/api-keys")).json()["items"]
    assert "key" not in listed
    assert key.startswith(listed["prefix"])
    kept = await rows.fetchrow("SELECT * FROM identity.api_keys")
    assert kept is not None
    assert key not in repr(tuple(kept))
    await gateway.gateway.state.key_streams.end_inactive()
    other_user = await sign_in()
    assert (await other_user.request("GET", "/api-keys")).json()["items"] == []


async def test_every_route_is_closed_to_a_key_without_its_scope(sign_in: SignIn) -> None:
    user = await sign_in(app_metadata={"role": "operator"})
    keys = {scope: (await make(user, scope))["key"] for scope in Scope}
    wrong: list[str] = []
    for (method, path), rule in RouteRules(ROUTERS).by_operation.items():
        address = path.removeprefix("/api/v1")
        for parameter in ("job_id", "key_id", "letter_id"):
            address = address.replace(f"{{{parameter}}}", str(uuid4()))
        address = address.replace("{name}", "FF_AGENTS_ENABLED")
        for scope, key in keys.items():
            if scope != rule.scope:
                answer = await with_key(user, key, method, address, json={})
                if answer.status_code not in {403, 422} or answer.status_code == 200:
                    wrong.append(f"{method} {path} by {scope}: {answer.status_code}")
    assert wrong == []


async def test_a_key_that_is_no_operators_gets_no_scope_of_theirs(sign_in: SignIn) -> None:
    user = await sign_in()
    body = {"name": "a key", "scopes": ["ops"]}
    answer = await user.request("POST", "/api-keys", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "scopes": ALL},
        {"name": "  ", "scopes": ALL},
        {"name": "a\u0000b", "scopes": ALL},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["jobs:read", "jobs:read"]},
        {"name": "x", "scopes": ["jobs:all"]},
        {"name": "x", "scopes": ALL, "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "x", "scopes": ALL, "hash": "mine"},
    ],
)
async def test_a_key_that_makes_no_sense_is_not_made(sign_in: SignIn, body: Any) -> None:
    user = await sign_in()
    assert (await user.request("POST", "/api-keys", json=body)).status_code in {400, 422}


async def test_a_repeat_makes_no_second_key_and_shows_none(sign_in: SignIn) -> None:
    user = await sign_in()
    body, headers = {"name": "ci", "scopes": ALL}, {"idempotency-key": "once"}
    answers = await asyncio.gather(
        *(user.request("POST", "/api-keys", json=body, headers=headers) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert len((await user.request("GET", "/api-keys")).json()["items"]) == 1


async def test_only_so_many_keys_live_at_once(sign_in: SignIn) -> None:
    user = await sign_in()
    made = [await make(user) for _ in range(MAX_KEYS)]
    body = {"name": "one more", "scopes": ALL}
    assert (await user.request("POST", "/api-keys", json=body)).status_code == 409
    await user.request("POST", f"/api-keys/{made[0]['id']}/revoke")
    await make(user)


async def test_all_keys_are_listed_in_pages_and_the_live_ones_first(
    sign_in: SignIn, rows: asyncpg.Connection
) -> None:
    user = await sign_in()
    live = (await make(user))["id"]
    # A rotation without grace leaves one ended key, so a user may have any number of them.
    await rows.execute(
        "INSERT INTO identity.api_keys (id, user_id, name, prefix, hash, scopes, created_at,"
        " revoked_at) SELECT gen_random_uuid(), $1, 'old', 'p', sha256(n::text::bytea),"
        " ARRAY['jobs:read'], now() + n / 2 * interval '1 s', now()"
        " FROM generate_series(1, 250) AS n",
        user.id,
    )
    pages: list[list[str]] = []
    parameters: dict[str, str] = {}
    while True:
        page = (await user.request("GET", "/api-keys", params=parameters)).json()
        pages.append([key["id"] for key in page["items"]])
        if page["next_cursor"] is None:
            break
        parameters = {"cursor": page["next_cursor"]}
    assert [len(page) for page in pages] == [100, 100, 51]
    assert pages[0][0] == live
    assert len({key_id for page in pages for key_id in page}) == 251
    assert (await user.request("GET", "/api-keys", params={"cursor": "x"})).status_code == 422


async def test_all_keys_of_a_user_are_revoked_at_once(
    sign_in: SignIn, rows: asyncpg.Connection
) -> None:
    user, other_user = await sign_in(), await sign_in()
    made, others = [await make(user) for _ in range(3)], await make(other_user)
    for key in made:
        assert (await with_key(user, key["key"], "GET", "/me")).status_code == 200
    for revoked in (3, 0):
        answer = await user.request("POST", "/api-keys/revoke-all")
        assert (answer.status_code, answer.json()) == (200, {"revoked": revoked})
    for key in made:
        assert (await with_key(user, key["key"], "GET", "/me")).status_code == 401
    assert (await with_key(other_user, others["key"], "GET", "/me")).status_code == 200
    [audited] = await rows.fetch(
        "SELECT body->'details' AS details FROM identity.audit_outbox"
        " WHERE body->>'action' = 'api_key.all_revoked'"
    )
    assert all(key["id"] in audited["details"] for key in made)


async def test_one_of_many_concurrent_rotations_succeeds(sign_in: SignIn) -> None:
    user = await sign_in()
    old = await make(user, "jobs:read", expires_at="2100-01-01T00:00:00Z")
    path = f"/api-keys/{old['id']}/rotate"
    answers = await asyncio.gather(
        *(user.request("POST", path, json={"grace_seconds": 600}) for _ in range(6))
    )
    [made] = [answer.json() for answer in answers if answer.status_code == 201]
    assert {answer.status_code for answer in answers} <= {201, 409, 503}
    assert (made["scopes"], made["expires_at"] is None) == (["jobs:read"], False)
    listed = {key["id"]: key for key in (await user.request("GET", "/api-keys")).json()["items"]}
    assert listed[old["id"]]["replaced_by"] == made["id"]
    assert listed[old["id"]]["expires_at"] < made["expires_at"]
    for key in (old["key"], made["key"]):
        assert (await with_key(user, key, "GET", "/jobs")).status_code == 200


async def test_without_grace_the_old_key_is_revoked_and_a_revoked_key_is_not_rotated(
    sign_in: SignIn,
) -> None:
    user, other_user = await sign_in(), await sign_in()
    old = await make(user)
    path = f"/api-keys/{old['id']}"
    for act in ("rotate", "revoke"):
        assert (await other_user.request("POST", f"{path}/{act}", json={})).status_code == 404
    new = (await user.request("POST", f"{path}/rotate", json={})).json()
    assert (await with_key(user, old["key"], "GET", "/me")).status_code == 401
    assert (await with_key(user, new["key"], "GET", "/me")).status_code == 200
    assert (await user.request("POST", f"{path}/rotate", json={})).status_code == 409


async def test_a_revoked_key_is_dead_in_every_process_and_its_streams_end(
    sign_in: SignIn,
    open_gateway: OpenGateway,
    gateway_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(api_key_verifier, "CACHE_TTL_SECONDS", 0.3)
    user = await sign_in()
    made = await make(user)
    headers = {"authorization": f"Bearer {made['key']}"}
    other, url = await open_gateway(gateway_settings)
    async with httpx.AsyncClient(base_url=url, timeout=15) as there:
        assert (await there.get("/api/v1/me", headers=headers)).status_code == 200
        async with there.stream("GET", "/api/v1/jobs/stream", headers=headers) as stream:
            lines = stream.aiter_lines()
            assert (await anext(lines)).startswith("retry:")
            path = f"/api-keys/{made['id']}/revoke"
            first = (await user.request("POST", path)).json()
            assert (await user.request("POST", path)).json() == first
            assert (await with_key(user, made["key"], "GET", "/me")).status_code == 401

            async def is_refused() -> bool:
                return (await there.get("/api/v1/me", headers=headers)).status_code == 401

            await wait_until(is_refused)
            rest = [line async for line in lines]
            assert not any(line.startswith("event: job") for line in rest), "it has come to its end"
        assert other.event_hub.open_count == 0


async def test_the_last_use_of_a_key_is_stored_later(
    sign_in: SignIn, gateway: RunningGateway
) -> None:
    user = await sign_in()
    made = await make(user)
    await with_key(user, made["key"], "GET", "/me")
    next(task for task in gateway.gateway.periodic_tasks if task.name == "key last used").wake()

    async def is_written() -> bool:
        [listed] = (await user.request("GET", "/api-keys")).json()["items"]
        return listed["last_used_at"] is not None

    await wait_until(is_written)


async def test_a_closed_account_is_refused_by_key_too(
    sign_in: SignIn, rows: asyncpg.Connection, read_metric: Callable[..., float | None]
) -> None:
    user = await sign_in()
    made = await make(user)
    await rows.execute("UPDATE identity.users SET banned_at = now() WHERE id = $1", user.id)
    assert (await with_key(user, made["key"], "GET", "/me")).status_code == 401
    name = "msaas_api_key_validation_total"
    assert read_metric(name, result="unauthenticated") == 1


async def test_each_change_is_published_to_the_audit_log_once(
    sign_in: SignIn, rows: asyncpg.Connection
) -> None:
    user = await sign_in()
    made = await make(user)
    new = (await user.request("POST", f"/api-keys/{made['id']}/rotate", json={})).json()
    for _ in range(2):
        await user.request("POST", f"/api-keys/{new['id']}/revoke")
    kept = await rows.fetch(
        "SELECT body::text, correlation_id FROM identity.audit_outbox ORDER BY id"
    )
    acts = [row["body"] for row in kept]
    published = [
        next(name for name in ("created", "rotated", "revoked") if f"api_key.{name}" in act)
        for act in acts
    ]
    assert published == ["created", "rotated", "revoked"]
    assert all(str(user.id) in act and made["key"] not in act for act in acts)
    assert all(UUID(row["correlation_id"]) for row in kept)
