"""A paid period ends under load: each job counts in the period in which it was reserved."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
import redis.asyncio

from msaas.contracts import Plan, SubscriptionChanged, encode, get_topic
from msaas.dev.chaos import IsolatedFleet
from msaas.kernel import new_id
from msaas.local.api_client import ApiClient
from msaas.local.credentials import LOCAL_ENVIRONMENT
from msaas.testing import wait_until

SignIn = Callable[..., Awaitable[ApiClient]]
Audit = Callable[[], Awaitable[None]]
# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.asyncio.Redis
PERIOD: Final = timedelta(seconds=20)
JOBS_LIMIT: Final = 20
PERIODS: Final = """
SELECT c.plan, c.jobs_used AS used, c.jobs_reserved AS reserved
FROM jobs.usage_counters c JOIN jobs.subjects s USING (subject_id)
WHERE s.user_id = $1 AND c.period_start >= $2 ORDER BY c.period_start
"""


async def publish_subscription(fleet: IsolatedFleet, change: SubscriptionChanged) -> None:
    """Publish the message as billing does: to the stream of each consumer."""
    topic = get_topic("billing.events")
    now = datetime.now(UTC)
    fields = encode(change, id=new_id(), correlation_id="e2e", ts=now)
    async with _Redis.from_url(fleet.url("redis")) as client:
        for key in topic.keys(LOCAL_ENVIRONMENT):
            await client.xadd(key, fields)


@pytest.mark.timeout(180)
async def test_a_period_that_ends_under_load_counts_each_job_where_it_was_reserved(
    fleet: IsolatedFleet, sign_in: SignIn, audit: Audit
) -> None:
    api = await sign_in("FREE")
    user = UUID((await api.me())["id"])
    start = datetime.now(UTC)
    change = SubscriptionChanged(
        user_id=user,
        version=1,
        plan=Plan.PRO,
        status="active",
        jobs_limit=JOBS_LIMIT,
        period_start=start,
        period_end=start + PERIOD,
    )
    await publish_subscription(fleet, change)

    async def periods() -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await fleet.fetch(PERIODS, user, start)]

    async def is_pro() -> bool:
        return (await api.me())["plan"] == "PRO" and bool(await periods())

    await wait_until(is_pro)
    slow = {"message": "late", "delay_ms": 1_000 * PERIOD.seconds}
    await api.submit("echo", slow)
    for _ in range(JOBS_LIMIT - 1):
        await api.submit("echo", {"message": "soon"})
    refused = await api.request(
        "POST", "/jobs", json={"task_type": "echo", "params": {"message": "too many"}}
    )
    assert (refused.status_code, refused.json()["code"]) == (402, "quota_exceeded")

    await asyncio.sleep((start + PERIOD - datetime.now(UTC)).total_seconds())
    for _ in range(5):
        await api.submit("echo", {"message": "new"})
    await wait_until(fleet.has_settled)
    assert await periods() == [("PRO", JOBS_LIMIT, 0), ("PRO", 5, 0)]
    await audit()
