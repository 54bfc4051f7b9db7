"""Repeats under one Idempotency-Key: executed once, with the same response after any loss."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import uuid4

import httpx
import orjson
import pytest
import pytest_asyncio
import redis.asyncio
from fastapi import APIRouter, Response
from pydantic import SecretStr
from services.gateway.tests.conftest import (
    ApiUser,
    FakeJobsService,
    FakeRefusal,
    OpenGateway,
    SignIn,
)
from starlette.middleware import Middleware

from msaas.cache import IdempotencyClaims, RedisStore
from msaas.gateway.application.idempotent_requests import MAX_RESPONSE_BYTES, IdempotentRequests
from msaas.gateway.application.request_rate_limiter import Caller
from msaas.gateway.domain.idempotency import ReplayPolicy
from msaas.gateway.entrypoints.http.callers import CallerResolver
from msaas.gateway.entrypoints.http.idempotency import IdempotencyMiddleware
from msaas.gateway.entrypoints.http.route_rules import RouteRule, RouteRules, guard
from msaas.gateway.settings import Settings
from msaas.messaging import RedisBroker
from msaas.telemetry import Metrics
from msaas.testing import FaultProxy, wait_until
from msaas.web import create_app

BODY: dict[str, Any] = {"task_type": "echo", "params": {"message": "hello"}}
KEYED = {"idempotency-key": "k"}
# redis-py is partly untyped.
_Redis: Any = redis.asyncio.Redis


class ClaimReader:
    """Lists the keys of claims in Redis; `client` changes them."""

    def __init__(self, client: Any, environment: str) -> None:
        self.client = client
        self._pattern = f"msaas:{environment}:idempotency:*"

    async def __call__(self) -> list[bytes]:
        return [key async for key in self.client.scan_iter(self._pattern)]


@pytest_asyncio.fixture
async def list_claims(redis_url: str, environment: str) -> AsyncIterator[ClaimReader]:
    async with _Redis.from_url(redis_url) as client:
        yield ClaimReader(client, environment)


async def submit(user: ApiUser, headers: dict[str, str] = KEYED, **changes: Any) -> httpx.Response:
    return await user.request("POST", "/jobs", json=BODY | changes, headers=headers)


async def test_fifty_at_once_make_one_job(fake_jobs: FakeJobsService, sign_in: SignIn) -> None:
    user = await sign_in()
    answers = await asyncio.gather(*(submit(user) for _ in range(50)))
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {202, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
    assert len(fake_jobs.commands) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["code"] == "idempotency_in_progress"
            assert answer.headers["retry-after"] == "1"


async def test_a_repeat_is_answered_as_before_without_the_owner(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    first, again = await submit(user), await submit(user)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert first.headers["location"] == again.headers["location"]
    assert first.headers["x-correlation-id"] != again.headers["x-correlation-id"]
    assert again.headers["idempotent-replayed"] == "true"
    assert len(fake_jobs.commands) == 1


async def test_the_same_body_with_other_whitespace_is_the_same_request(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    await submit(user)
    spelt = orjson.dumps(BODY, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    headers = KEYED | {"content-type": "application/json"}
    again = await user.request("POST", "/jobs", content=spelt, headers=headers)
    assert again.headers["idempotent-replayed"] == "true"


async def test_a_key_means_one_request_of_one_user(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user, other = await sign_in(), await sign_in()
    job_id = (await submit(user)).json()["id"]
    for answer in (
        await submit(user, priority=1),
        await user.request("POST", "/jobs/batch", json={"jobs": [BODY]}, headers=KEYED),
        await user.request("POST", f"/jobs/{job_id}/cancel", headers=KEYED),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
    assert (await submit(other)).json()["id"] != job_id


async def test_unknown_paths_and_methods_are_refused_under_a_used_key_too(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    assert (await submit(user)).status_code == 202
    request: dict[str, Any] = {"headers": user.headers | KEYED, "json": BODY}
    assert (await user.http.put("/api/v1/jobs", **request)).status_code == 405
    assert (await user.http.post("/api/v1/nothing", **request)).status_code == 404


async def test_after_redis_has_lost_everything_the_owners_row_answers(
    fake_jobs: FakeJobsService, sign_in: SignIn, list_claims: ClaimReader
) -> None:
    user = await sign_in()
    first = await submit(user)
    await list_claims.client.delete(*await list_claims())
    again = await submit(user)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert len(fake_jobs.commands) == 2


async def test_a_refused_request_may_be_repeated(
    fake_jobs: FakeJobsService, sign_in: SignIn, list_claims: ClaimReader
) -> None:
    user = await sign_in()
    fake_jobs.refusal = FakeRefusal("forbidden")
    assert (await submit(user)).status_code == 403
    assert await list_claims() == []
    fake_jobs.refusal = None
    assert (await submit(user)).status_code == 202


async def test_a_partly_refused_batch_is_repeated_in_whole(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    refused = {"task_type": "echo", "params": {"message": "refuse me"}}
    for jobs, expected_calls in (([BODY, refused], 2), ([BODY, BODY], 3)):
        for _ in range(2):
            headers = {
                "idempotency-key": f"batch of {len(jobs)} {expected_calls}".replace(" ", "-")
            }
            await user.request("POST", "/jobs/batch", json={"jobs": jobs}, headers=headers)
        assert len(fake_jobs.commands) == expected_calls


async def test_a_key_that_is_none_is_named(fake_jobs: FakeJobsService, sign_in: SignIn) -> None:
    user = await sign_in()
    for key in ("", "a b", "k" * 256):
        answer = await submit(user, {"idempotency-key": key})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/Idempotency-Key"
    assert fake_jobs.commands == []


async def test_request_bodies_are_not_stored_in_redis(
    fake_jobs: FakeJobsService, sign_in: SignIn, list_claims: ClaimReader
) -> None:
    user = await sign_in()
    secret = {"message": "a private matter", "secret": "hunter2"}
    assert (await submit(user, {"idempotency-key": "private-key"}, params=secret)).is_success
    [key] = await list_claims()
    stored = key + b"".join(
        part for pair in (await list_claims.client.hgetall(key)).items() for part in pair
    )
    for text in (b"private", b"hunter2", b"echo", user.headers["authorization"].encode()):
        assert text not in stored
    assert 23 * 3600 < await list_claims.client.ttl(key) <= 24 * 3600


@pytest.mark.timeout(90)
async def test_the_claim_of_a_dead_gateway_expires_with_its_command(
    fake_jobs: FakeJobsService,
    sign_in: SignIn,
    open_gateway: OpenGateway,
    gateway_settings: Settings,
    list_claims: ClaimReader,
) -> None:
    """A gateway that is cut off from Redis cannot complete its claims."""
    user = await sign_in()
    url = gateway_settings.redis_url.get_secret_value()
    fake_jobs.silent = True
    async with FaultProxy(url) as proxy:
        through = {"redis_url": SecretStr(proxy.url_for(url))}
        _, dying = await open_gateway(gateway_settings.model_copy(update=through))
        async with httpx.AsyncClient(base_url=dying, timeout=30) as http:
            headers = user.headers | KEYED
            request = asyncio.create_task(http.post("/api/v1/jobs", json=BODY, headers=headers))
            await wait_until(lambda: fake_jobs.commands)
            await proxy.cut()
            [key] = await list_claims()
            assert 0 < await list_claims.client.pttl(key) <= 15_000
            fake_jobs.silent = False
            assert (await submit(user)).status_code == 409

            async def is_free() -> bool:
                return (await submit(user)).status_code == 202

            await wait_until(is_free, timeout=60)
            assert not (await request).is_success


async def test_an_unanswered_command_may_be_repeated_at_once(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in(seconds=3600)
    fake_jobs.silent = True
    assert (await submit(user)).status_code == 504
    fake_jobs.silent = False
    assert (await submit(user)).status_code == 202


async def test_retrying_twice_under_one_key_is_one_retry(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    job_id = uuid4()
    answers = [await user.request("POST", f"/jobs/{job_id}/retry", headers=KEYED) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert len(fake_jobs.commands) == 1


RULES = {
    "/api-keys": RouteRule(replay=ReplayPolicy.MARKER_ONLY),
    "/things": RouteRule(),
    "/payments": RouteRule(requires_idempotency_key=True),
}


class FakeCallerResolver:
    """Resolves every request to one user."""

    def __init__(self) -> None:
        self.caller = Caller(uuid4(), "FREE")

    async def find(self, _scope: object) -> Caller:
        return self.caller


class CountingRoute:
    """Returns to every POST the response that a test sets, and counts calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.answer: bytes | Exception = b"{}"

    async def __call__(self) -> Response:
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return Response(self.answer, 201, media_type="application/json")


@pytest.fixture
def route() -> CountingRoute:
    return CountingRoute()


@pytest_asyncio.fixture
async def http(
    route: CountingRoute, redis_url: str, environment: str, metrics: Metrics
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve one route behind the middleware alone."""
    broker = RedisBroker(redis_url)
    idempotent_requests = IdempotentRequests(
        IdempotencyClaims(RedisStore(broker)), environment, b"key", claim_seconds=10
    )
    # The served router has no guards: these tests have no user.
    declared = APIRouter(prefix="/api/v1")
    for path, rule in RULES.items():
        declared.add_api_route(path, route.__call__, methods=["POST"], dependencies=[guard(rule)])
    router = APIRouter()
    router.add_api_route("/api/v1/{path:path}", route.__call__, methods=["POST"])
    callers = cast("CallerResolver", FakeCallerResolver())
    layer = Middleware(
        IdempotencyMiddleware, RouteRules([declared]), idempotent_requests, callers, metrics
    )
    app = create_app(title="edge", metrics=metrics, routers=[router], after_body=[layer])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://edge/api/v1") as client:
        yield client
    await broker.close()


async def test_a_secret_is_shown_once_and_kept_nowhere(
    http: httpx.AsyncClient, route: CountingRoute, list_claims: ClaimReader
) -> None:
    route.answer = b'{"key": "ms_hunter2"}'
    first, again = [await http.post("/api-keys", headers=KEYED) for _ in range(2)]
    assert (first.status_code, first.content) == (201, route.answer)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert not again.json()["retryable"]
    assert route.calls == 1
    [key] = await list_claims()
    assert await list_claims.client.hget(key, "answer") == b""


async def test_a_rule_may_require_a_key(http: httpx.AsyncClient, route: CountingRoute) -> None:
    missing = await http.post("/payments")
    assert (missing.status_code, missing.json()["code"]) == (400, "idempotency_key_required")
    assert (await http.post("/payments", headers=KEYED)).status_code == 201
    assert route.calls == 1


async def test_after_a_crash_a_repeat_waits_until_the_claim_has_expired(
    http: httpx.AsyncClient, route: CountingRoute, list_claims: ClaimReader
) -> None:
    route.answer = RuntimeError("broken")
    assert (await http.post("/things", headers=KEYED)).status_code == 500
    assert (await http.post("/things", headers=KEYED)).status_code == 409
    [key] = await list_claims()
    assert 0 < await list_claims.client.pttl(key) <= 15_000
    await list_claims.client.pexpire(key, 0)
    route.answer = b"{}"
    assert (await http.post("/things", headers=KEYED)).status_code == 201


async def test_a_response_too_large_to_store_is_still_returned(
    http: httpx.AsyncClient, route: CountingRoute, list_claims: ClaimReader
) -> None:
    route.answer = b'"' + b"x" * MAX_RESPONSE_BYTES + b'"'
    answer = await http.post("/things", headers=KEYED)
    assert answer.content == route.answer
    assert await list_claims() == []
