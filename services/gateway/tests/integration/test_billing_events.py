"""A changed plan reaches the user's row, the next request and open streams."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import pytest_asyncio
from services.gateway.tests.conftest import FakeJobsService, SignIn

from msaas.contracts import AccountChanged, AccountFrame, Plan, SubscriptionChanged
from msaas.messaging import ConsumerTimings, Messenger, RedisBroker
from msaas.telemetry import Metrics
from msaas.testing import GENEROUS_TIMEOUT, wait_until

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def changed(user_id: UUID, plan: Plan, version: int) -> SubscriptionChanged:
    return SubscriptionChanged(
        user_id=user_id,
        plan=plan,
        version=version,
        status="active",
        jobs_limit=1,
        period_start=NOW,
        period_end=NOW + timedelta(days=31),
    )


@pytest_asyncio.fixture
async def billing(
    redis_url_for: Callable[[str], str], environment: str
) -> AsyncIterator[Messenger]:
    broker = RedisBroker(redis_url_for("billing"), command_timeout=GENEROUS_TIMEOUT)
    messenger = Messenger(
        broker,
        "billing",
        environment,
        metrics=Metrics("billing", environment),
        timings=ConsumerTimings(block_timeout=0.05),
    )
    running = asyncio.create_task(messenger.run())
    yield messenger
    messenger.drain()
    await running
    await broker.close()


async def test_the_newest_plan_applies_from_the_next_request(
    billing: Messenger, sign_in: SignIn, rows: asyncpg.Connection
) -> None:
    user = await sign_in()
    for plan, version in ((Plan.ENTERPRISE, 3), (Plan.PRO, 2), (Plan.ENTERPRISE, 3)):
        fact = changed(user.id, plan, version)
        await billing.publisher.publish("billing.events", fact, correlation_id="c")
    gone = changed(uuid4(), Plan.PRO, 1)
    await billing.publisher.publish("billing.events", gone, correlation_id="c")

    async def has_plan() -> bool:
        return (await user.request("GET", "/me")).json()["plan"] == "ENTERPRISE"

    await wait_until(has_plan)
    sql = "SELECT plan_version FROM identity.users WHERE id = $1"
    assert await rows.fetchval(sql, user.id) == 3


async def test_an_open_stream_shows_the_account_and_nothing_older(
    fake_jobs: FakeJobsService, sign_in: SignIn
) -> None:
    user = await sign_in()
    shown = list[dict[str, Any]]()
    async with (
        user.http.stream("GET", "/api/v1/jobs/stream", headers=user.headers) as answer,
        aclosing(cast("AsyncGenerator[str]", answer.aiter_lines())) as lines,
        asyncio.timeout(10),
    ):
        for version in (2, 1, 3):
            await fake_jobs.publish(account(user.id, version))
        async for line in lines:
            if line.startswith("data: ") and "jobs_used" in line:
                shown.append(json.loads(line.removeprefix("data: ")))
            if len(shown) == 2:
                break
    assert [summary["jobs_used"] for summary in shown] == [2, 3]


def account(user_id: UUID, version: int) -> AccountChanged:
    frame = AccountFrame(
        plan=Plan.PRO,
        jobs_limit=10_000,
        jobs_used=version,
        jobs_reserved=0,
        period_start=NOW,
        period_end=NOW + timedelta(days=31),
    )
    return AccountChanged(user_id=user_id, version=version, account=frame)
