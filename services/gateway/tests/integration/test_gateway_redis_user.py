"""The gateway's Redis user may do what the gateway does, and a refused command is our own fault."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
import redis.asyncio
from pydantic import SecretStr
from services.gateway.tests.conftest import (
    ApiUser,
    FakeIssuer,
    FakeJobsService,
    OpenApiChecker,
    OpenGateway,
    ReadMetric,
    RunningGateway,
)
from structlog.testing import capture_logs

from msaas.contracts import render_acl
from msaas.embedded import RedisServer
from msaas.gateway.settings import Settings
from msaas.testing import wait_until

VIEWS = ("/summaries/usage-trend", "/summaries/jobs-overview", "/summaries/latency")
JOB = {"task_type": "echo", "params": {"message": "hello"}}
ADMIN = "user admin on nopass ~* &* +@all\n"
# redis-py is partly untyped.
_Redis: Any = redis.asyncio.Redis


class AclRedis:
    """A Redis with the generated ACL file, which a test may rewrite."""

    def __init__(self, start: Callable[..., RedisServer], file: Path) -> None:
        self._file = file
        self._write()
        self._server = start(aof=False, config={"aclfile": str(file)})

    def url_for(self, user: str) -> str:
        return f"redis://{user}:of-{user}@127.0.0.1:{self._server.port}/0"

    async def rewrite(self, change: Callable[[str], str]) -> None:
        """Load the file again and end the gateway's connections, as an operator does.

        A connection stays authenticated with a password that has changed.
        """
        self._write(change)
        admin = _Redis.from_url(self.url_for("admin"))
        await admin.acl_load()
        await admin.execute_command("CLIENT", "KILL", "USER", "gateway")
        await admin.aclose()

    def _write(self, change: Callable[[str], str] = lambda text: text) -> None:
        hashes = {process: digest(f"of-{process}") for process in ("gateway", "jobs")}
        self._file.write_text(change(render_acl("*", hashes)) + ADMIN)


def digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


@pytest.fixture
def acl_redis(private_redis: Callable[..., RedisServer], tmp_path: Path) -> AclRedis:
    return AclRedis(private_redis, tmp_path / "users.acl")


@pytest.fixture
def redis_url(acl_redis: AclRedis) -> str:
    """Return the administrator's address, for the leak check."""
    return acl_redis.url_for("admin")


@pytest_asyncio.fixture
async def gateway(
    open_gateway: OpenGateway, gateway_settings: Settings, acl_redis: AclRedis
) -> RunningGateway:
    own = {"redis_url": SecretStr(acl_redis.url_for("gateway")), "rate_limits_enforced": True}
    return await open_gateway(gateway_settings.model_copy(update=own))


@pytest_asyncio.fixture
async def user(
    gateway: RunningGateway, issuer: FakeIssuer, spec: OpenApiChecker
) -> AsyncIterator[ApiUser]:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as http:
        user_id = uuid4()
        yield ApiUser(http, spec, user_id, issuer.token(user_id))


def keyed() -> dict[str, str]:
    return {"idempotency-key": uuid4().hex}


async def test_the_gateway_uses_its_cache_limits_and_claims_with_its_own_redis_user(
    user: ApiUser, fake_jobs: FakeJobsService, read_metric: ReadMetric
) -> None:
    def count_hits() -> float:
        caches = ("summaries", "daily-summaries")
        counts = [
            read_metric("msaas_cache_reads_total", cache=cache, outcome="hit") for cache in caches
        ]
        return sum(count or 0 for count in counts)

    for _ in range(10):  # a slow Redis may miss now and then
        answers = [await user.request("GET", path) for path in VIEWS]
        assert {answer.status_code for answer in answers} == {200}
        if count_hits() >= len(VIEWS):
            break
    assert count_hits() >= len(VIEWS)
    headers = keyed()

    async def is_replayed() -> bool:
        answer = await user.request("POST", "/jobs", json=JOB, headers=headers)
        return "idempotent-replayed" in answer.headers and "ratelimit-remaining" in answer.headers

    await wait_until(is_replayed)
    assert len({command.job_id for command in fake_jobs.commands}) == 1


async def test_a_cache_that_the_user_may_not_use_is_logged_and_harms_no_limit_and_no_claim(
    user: ApiUser,
    fake_jobs: FakeJobsService,
    acl_redis: AclRedis,
    read_metric: ReadMetric,
    gateway: RunningGateway,
) -> None:
    await acl_redis.rewrite(lambda text: text.replace("msaas:*:cache:*:*", "msaas:*:other:*"))
    # Wait until the gateway has new connections.
    await wait_until(lambda: has_claims(user))
    with capture_logs() as logs:
        answers = await asyncio.gather(*(user.request("GET", path) for path in VIEWS * 4))
        submitted = await user.request("POST", "/jobs", json=JOB, headers=keyed())
    assert {answer.status_code for answer in answers} == {200}
    assert submitted.status_code == 202
    assert "ratelimit-remaining" in submitted.headers
    assert set(gateway.gateway.state.read_circuits().values()) == {"closed"}
    refused = [log for log in logs if log["event"] == "broker_access_denied"]
    assert {log["log_level"] for log in refused} == {"error"}
    assert {(log["command"], log["reply"]) for log in refused} >= {("GET", "NOPERM")}
    assert read_metric("msaas_broker_access_denied_total", reply="NOPERM", command="GET")


async def has_claims(user: ApiUser) -> bool:
    answer = await user.request("POST", "/jobs", json=JOB, headers=keyed())
    return answer.status_code == 202


async def test_a_wrong_password_is_an_internal_error_and_not_an_outage(
    user: ApiUser, acl_redis: AclRedis, read_metric: ReadMetric
) -> None:
    assert (await user.request("GET", "/me")).status_code == 200
    await acl_redis.rewrite(lambda text: text.replace(digest("of-gateway"), digest("another")))

    def is_refused() -> bool:
        return bool(
            read_metric("msaas_broker_access_denied_total", reply="WRONGPASS", command="AUTH")
        )

    await wait_until(is_refused)
    answer = await user.request("POST", "/jobs", json=JOB, headers=keyed())
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
