"""Repeats under one Idempotency-Key: done once, answered as before, whatever is lost on the way."""

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
from starlette.middleware import Middleware

from msaas.cache import IdempotencyClaims, RedisStore
from msaas.gateway.application.idempotent_requests import MAX_RESPONSE_BYTES, IdempotentRequests
from msaas.gateway.application.request_rate_limiter import Caller
from msaas.gateway.entrypoints.http.idempotency import IdempotencyMiddleware
from msaas.messaging import RedisBroker
from msaas.telemetry import Metrics
from msaas.testing import FaultProxy, wait_until
from msaas.web import create_app

BODY: dict[str, Any] = {"task_type": "echo", "params": {"message": "hello"}}
KEYED = {"idempotency-key": "k"}
# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.asyncio.Redis


@pytest_asyncio.fixture
async def list_claims(redis_url: str, environment: str) -> AsyncIterator[Any]:
    """Return a way to see the keys of claims, with the client that they are seen through."""
    async with _Redis.from_url(redis_url) as client:

        async def look() -> list[bytes]:
            return [key async for key in client.scan_iter(f"msaas:{environment}:idempotency:*")]

        look.client = client  # pyright: ignore[reportFunctionMemberAccess]  # one fixture, two uses
        yield look


async def submit(user: Any, headers: dict[str, str] = KEYED, **changes: Any) -> httpx.Response:
    return await user.ask("POST", "/jobs", json=BODY | changes, headers=headers)


async def test_fifty_at_once_make_one_job(owner: Any, sign_in: Any) -> None:
    user = await sign_in()
    answers = await asyncio.gather(*(submit(user) for _ in range(50)))
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {202, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
    assert len(owner.commands) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["code"] == "idempotency_in_progress"
            assert answer.headers["retry-after"] == "1"


async def test_a_repeat_is_answered_as_before_without_the_owner(owner: Any, sign_in: Any) -> None:
    user = await sign_in()
    first, again = await submit(user), await submit(user)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert first.headers["location"] == again.headers["location"]
    assert first.headers["x-correlation-id"] != again.headers["x-correlation-id"]
    assert again.headers["idempotent-replayed"] == "true"
    assert len(owner.commands) == 1


async def test_the_same_said_with_other_spaces_is_the_same(owner: Any, sign_in: Any) -> None:
    user = await sign_in()
    await submit(user)
    spelt = orjson.dumps(BODY, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    headers = KEYED | {"content-type": "application/json"}
    again = await user.ask("POST", "/jobs", content=spelt, headers=headers)
    assert again.headers["idempotent-replayed"] == "true"


async def test_a_key_means_one_request_of_one_user(owner: Any, sign_in: Any) -> None:
    user, other = await sign_in(), await sign_in()
    job_id = (await submit(user)).json()["id"]
    for answer in (
        await submit(user, priority=1),
        await user.ask("POST", "/jobs/batch", json={"jobs": [BODY]}, headers=KEYED),
        await user.ask("POST", f"/jobs/{job_id}/cancel", headers=KEYED),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
    assert (await submit(other)).json()["id"] != job_id


async def test_what_is_not_served_is_said_to_be_so_under_a_used_key_too(
    owner: Any, sign_in: Any
) -> None:
    user = await sign_in()
    assert (await submit(user)).status_code == 202
    asked = {"headers": user.headers | KEYED, "json": BODY}
    assert (await user.http.put("/api/v1/jobs", **asked)).status_code == 405
    assert (await user.http.post("/api/v1/nothing", **asked)).status_code == 404


async def test_after_redis_has_lost_everything_the_owners_row_answers(
    owner: Any, sign_in: Any, list_claims: Any
) -> None:
    user = await sign_in()
    first = await submit(user)
    await list_claims.client.delete(*await list_claims())
    again = await submit(user)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert len(owner.commands) == 2


async def test_what_was_refused_may_be_asked_again(
    owner: Any, sign_in: Any, refusal: Any, list_claims: Any
) -> None:
    user = await sign_in()
    owner.refusal = refusal("forbidden")
    assert (await submit(user)).status_code == 403
    assert await list_claims() == []
    owner.refusal = None
    assert (await submit(user)).status_code == 202


async def test_a_batch_that_was_refused_in_part_is_asked_again_in_whole(
    owner: Any, sign_in: Any
) -> None:
    user = await sign_in()
    refused = {"task_type": "echo", "params": {"message": "refuse me"}}
    for jobs, asked in (([BODY, refused], 2), ([BODY, BODY], 3)):
        for _ in range(2):
            headers = {"idempotency-key": f"batch of {len(jobs)} {asked}".replace(" ", "-")}
            await user.ask("POST", "/jobs/batch", json={"jobs": jobs}, headers=headers)
        assert len(owner.commands) == asked


async def test_a_key_that_is_none_is_named(owner: Any, sign_in: Any) -> None:
    user = await sign_in()
    for key in ("", "a b", "k" * 256):
        answer = await submit(user, {"idempotency-key": key})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/Idempotency-Key"
    assert owner.commands == []


async def test_billing_changes_need_a_key_and_strangers_a_token(
    sign_in: Any, gateway: tuple[Any, str]
) -> None:
    user = await sign_in()
    asked = {
        name: await user.http.post("/api/v1/billing/checkout-session", headers=headers)
        for name, headers in (
            ("without", user.headers),
            ("with", user.headers | KEYED),
            ("stranger", KEYED),
        )
    }
    assert asked["without"].json()["code"] == "idempotency_key_required"
    assert {name: one.status_code for name, one in asked.items()} == {
        "without": 400,
        "with": 404,
        "stranger": 404,
    }


async def test_nothing_that_was_sent_lies_in_redis(
    owner: Any, sign_in: Any, list_claims: Any
) -> None:
    user = await sign_in()
    secret = {"message": "a private matter", "secret": "hunter2"}
    assert (await submit(user, {"idempotency-key": "private-key"}, params=secret)).is_success
    [key] = await list_claims()
    kept = key + b"".join(
        part for pair in (await list_claims.client.hgetall(key)).items() for part in pair
    )
    for word in (b"private", b"hunter2", b"echo", user.headers["authorization"].encode()):
        assert word not in kept
    assert 23 * 3600 < await list_claims.client.ttl(key) <= 24 * 3600


@pytest.mark.timeout(90)
async def test_a_gateway_that_dies_half_way_keeps_its_key_no_longer_than_its_command(
    owner: Any, sign_in: Any, open_gateway: Any, gateway_settings: Any, list_claims: Any
) -> None:
    """To others a gateway whose Redis is cut off is as good as dead: it settles nothing."""
    user = await sign_in()
    url = gateway_settings.redis_url.get_secret_value()
    owner.silent = True
    async with FaultProxy(url) as proxy:
        through = {"redis_url": SecretStr(proxy.url_for(url))}
        _, dying = await open_gateway(gateway_settings.model_copy(update=through))
        async with httpx.AsyncClient(base_url=dying, timeout=30) as http:
            headers = user.headers | KEYED
            asking = asyncio.create_task(http.post("/api/v1/jobs", json=BODY, headers=headers))
            await wait_until(lambda: owner.commands)
            await proxy.cut()
            [key] = await list_claims()
            assert 0 < await list_claims.client.pttl(key) <= 10_000
            owner.silent = False
            assert (await submit(user)).status_code == 409

            async def is_free() -> bool:
                return (await submit(user)).status_code == 202

            await wait_until(is_free, timeout=60)
            assert not (await asking).is_success


async def test_a_command_that_nobody_answered_may_be_repeated_at_once(
    owner: Any, sign_in: Any
) -> None:
    user = await sign_in(seconds=3600)
    owner.silent = True
    assert (await submit(user)).status_code == 504
    owner.silent = False
    assert (await submit(user)).status_code == 202


async def test_retrying_twice_under_one_key_is_one_retry(owner: Any, sign_in: Any) -> None:
    user = await sign_in()
    job_id = uuid4()
    answers = [await user.ask("POST", f"/jobs/{job_id}/retry", headers=KEYED) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert len(owner.commands) == 1


class FakeCallerResolver:
    """Stands in for those who are asked about: all requests are one user's."""

    def __init__(self) -> None:
        self.caller = Caller(uuid4(), "FREE")

    async def find(self, _scope: object) -> Caller:
        return self.caller


class CountingRoute:
    """Answers every POST with what a test has told it to, and counts."""

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
    """Serve one route behind the layer alone."""
    broker = RedisBroker(redis_url)
    idempotent_requests = IdempotentRequests(
        IdempotencyClaims(RedisStore(broker)), environment, b"key", claim_seconds=10
    )
    layer = Middleware(
        IdempotencyMiddleware, idempotent_requests, cast("Any", FakeCallerResolver()), metrics
    )
    router = APIRouter()
    router.add_api_route("/api/v1/{path:path}", route.__call__, methods=["POST"])
    app = create_app(title="edge", metrics=metrics, routers=[router], after_body=[layer])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://edge/api/v1") as client:
        yield client
    await broker.close()


async def test_a_secret_is_shown_once_and_kept_nowhere(
    http: httpx.AsyncClient, route: CountingRoute, list_claims: Any
) -> None:
    route.answer = b'{"key": "ms_hunter2"}'
    first, again = [await http.post("/api-keys", headers=KEYED) for _ in range(2)]
    assert (first.status_code, first.content) == (201, route.answer)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert not again.json()["retryable"]
    assert route.calls == 1
    [key] = await list_claims()
    assert await list_claims.client.hget(key, "answer") == b""


async def test_after_a_crash_nobody_repeats_before_the_claim_is_over(
    http: httpx.AsyncClient, route: CountingRoute, list_claims: Any
) -> None:
    route.answer = RuntimeError("broken")
    assert (await http.post("/things", headers=KEYED)).status_code == 500
    assert (await http.post("/things", headers=KEYED)).status_code == 409
    [key] = await list_claims()
    assert 0 < await list_claims.client.pttl(key) <= 10_000
    await list_claims.client.pexpire(key, 0)
    route.answer = b"{}"
    assert (await http.post("/things", headers=KEYED)).status_code == 201


async def test_an_answer_too_large_to_keep_is_given_all_the_same(
    http: httpx.AsyncClient, route: CountingRoute, list_claims: Any
) -> None:
    route.answer = b'"' + b"x" * MAX_RESPONSE_BYTES + b'"'
    answer = await http.post("/things", headers=KEYED)
    assert answer.content == route.answer
    assert await list_claims() == []
