"""Rate limits of requests: who is counted, the headers, and limits while Redis is unavailable."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr
from services.gateway.tests.conftest import (
    FakeIssuer,
    OpenApiChecker,
    OpenGateway,
    RateLimitRules,
    ReadMetric,
    SignIn,
)

from msaas.gateway.domain.rate_limit_rules import RATE_LIMIT_RULES
from msaas.gateway.settings import Settings
from msaas.testing import FaultProxy, wait_until

REPLAY = ("POST", "/ops/dead-letters/replay")
# So slow that no bucket refills during a test, on whatever host.
WINDOW_SECONDS = 60 * 600
REFILL_SECONDS = WINDOW_SECONDS // 120
POLICY = ("ratelimit-policy", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset")
Client = Callable[..., Any]


@pytest.fixture
def rate_limit_rules() -> RateLimitRules:
    return {
        category: replace(rule, seconds=WINDOW_SECONDS)
        for category, rule in RATE_LIMIT_RULES.items()
    }


@pytest.fixture
def enforced_settings(gateway_settings: Settings) -> Any:
    changes = {"rate_limits_enforced": True, "trusted_proxies": ("127.0.0.1/32",)}
    return gateway_settings.model_copy(update=changes)


@pytest_asyncio.fixture
async def sign_in_from(
    open_gateway: OpenGateway, enforced_settings: Settings, issuer: FakeIssuer, spec: OpenApiChecker
) -> AsyncIterator[Client]:
    """Return a function that sends requests as a user, from a given address behind the proxy."""
    _, url = await open_gateway(enforced_settings)
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=20) as http:

        def be_(address: str = "1.2.3.4", **claims: Any) -> Any:
            token = issuer.token(uuid4(), **claims)
            headers = {"authorization": f"Bearer {token}", "x-forwarded-for": address}

            async def request(method: str, path: str, **more: Any) -> httpx.Response:
                given = headers | more.pop("headers", {})
                answer = await http.request(method, path, headers=given, **more)
                spec.check(answer)
                return answer

            return request

        yield be_


async def test_every_response_has_the_remaining_count_and_a_refusal_has_retry_after(
    sign_in_from: Client,
) -> None:
    request = sign_in_from()
    answers = [await request("GET", "/task-types") for _ in range(3)]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["119", "118", "117"]
    limits = {name: answers[-1].headers[name] for name in POLICY}
    reset = int(limits.pop("ratelimit-reset"))
    assert limits == {
        "ratelimit-policy": f"120;w={WINDOW_SECONDS}",
        "ratelimit-limit": "120",
        "ratelimit-remaining": "117",
    }
    assert 2 * REFILL_SECONDS < reset <= 3 * REFILL_SECONDS
    flood = await asyncio.gather(*(request("GET", "/task-types") for _ in range(160)))
    refused = [answer for answer in flood if answer.status_code == 429]
    assert len(refused) == 160 - 117
    assert refused[0].json()["code"] == "rate_limited"
    assert refused[0].headers["ratelimit-remaining"] == "0"
    assert 0 < int(refused[0].headers["retry-after"]) <= REFILL_SECONDS
    assert (await sign_in_from()("GET", "/task-types")).status_code == 200


async def test_every_response_has_the_limit_of_the_plan(sign_in_from: Client) -> None:
    request = sign_in_from(app_metadata={"plan": "PRO"})
    found = await request("GET", f"/jobs/{uuid4()}")
    assert (found.status_code, found.headers["ratelimit-limit"]) == (404, "600")


async def test_a_key_may_have_less_than_its_user_and_takes_nothing_from_the_others(
    sign_in_from: Client,
) -> None:
    request = sign_in_from()
    terms = {"name": "a script", "scopes": ["account:read"], "requests_per_minute": 1}
    made = await request("POST", "/api-keys", json=terms)
    assert made.json()["requests_per_minute"] == 1
    by_key = {"authorization": f"Bearer {made.json()['key']}"}
    answers = [await request("GET", "/task-types", headers=by_key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[0].headers["ratelimit-policy"] == "1;w=60"
    session = await request("GET", "/task-types")
    assert (session.status_code, session.headers["ratelimit-limit"]) == (200, "120")
    turned = await request("POST", f"/api-keys/{made.json()['id']}/rotate", json={})
    assert turned.json()["requests_per_minute"] == 1


async def test_what_is_critical_is_counted_by_user_and_by_address(
    sign_in_from: Client, read_metric: ReadMetric
) -> None:
    ann, bob, far = sign_in_from("1.2.3.4"), sign_in_from("1.2.3.4"), sign_in_from("1.2.3.5")
    statuses = [(await ann(*REPLAY)).status_code for _ in range(20)]
    statuses += [(await bob(*REPLAY)).status_code for _ in range(12)]
    assert Counter(statuses) == {403: 30, 429: 2}
    assert (await far(*REPLAY)).status_code != 429
    assert (await bob("GET", "/me")).status_code == 200
    assert read_metric("msaas_rate_limited_total", category="critical") == 2


async def test_a_forwarded_address_from_the_client_does_not_evade_the_limit(
    sign_in_from: Client,
) -> None:
    forged = [sign_in_from(f"6.6.6.{n}, 1.2.3.4") for n in range(32)]
    statuses = [(await request(*REPLAY)).status_code for request in forged]
    assert statuses.count(429) == 2


async def test_unauthenticated_requests_are_refused_and_do_not_use_up_the_limit_of_others(
    sign_in_from: Client, enforced_settings: Settings, open_gateway: OpenGateway
) -> None:
    _, url = await open_gateway(enforced_settings)
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=60) as http:
        answers = await asyncio.gather(*(http.post(REPLAY[1]) for _ in range(40)))
    assert {answer.status_code for answer in answers} == {401}
    assert (await sign_in_from()(*REPLAY)).headers["ratelimit-remaining"] == "29"


async def test_without_enforcement_requests_are_counted_and_admitted(
    sign_in: SignIn, read_metric: ReadMetric
) -> None:
    user = await sign_in()
    answers = await asyncio.gather(*(user.request("GET", "/task-types") for _ in range(160)))
    assert {answer.status_code for answer in answers} == {200}
    # The sign-in took one more.
    assert read_metric("msaas_rate_limited_total", category="standard") == 160 - 119


async def test_without_redis_reads_are_admitted_and_critical_requests_are_refused(
    open_gateway: OpenGateway, enforced_settings: Settings, issuer: FakeIssuer, spec: OpenApiChecker
) -> None:
    async with FaultProxy(enforced_settings.redis_url.get_secret_value()) as proxy:
        through = SecretStr(proxy.url_for(enforced_settings.redis_url.get_secret_value()))
        _, url = await open_gateway(enforced_settings.model_copy(update={"redis_url": through}))
        headers = {"authorization": f"Bearer {issuer.token(uuid4())}"}
        async with httpx.AsyncClient(base_url=f"{url}/api/v1", headers=headers, timeout=20) as http:
            assert "ratelimit-limit" in (await http.get("/me")).headers
            await proxy.cut()
            for _ in range(8):
                read = await http.get("/jobs")
                assert (read.status_code, "ratelimit-limit" in read.headers) == (200, False)
                closed = await http.post(REPLAY[1], json={"ids": [str(uuid4())]})
                spec.check(closed)
                assert (closed.status_code, closed.json()["code"]) == (
                    503,
                    "dependency_unavailable",
                )
                assert int(closed.headers["retry-after"]) >= 1
            await proxy.restore()

            async def counts() -> bool:
                return "ratelimit-limit" in (await http.get("/me")).headers

            await wait_until(counts)
