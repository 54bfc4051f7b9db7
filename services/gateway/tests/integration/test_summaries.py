"""Usage and summaries: correct sums of the user's own rows, cached until one changes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from services.gateway.tests.conftest import (
    ApiUser,
    FakeJobsService,
    OpenGateway,
    ReadMetric,
    SignIn,
)

from msaas.gateway.settings import Settings
from msaas.streams import RedisBroker
from msaas.testing import wait_until

CachedViews = Callable[[], Awaitable[list[tuple[bytes | None, int]]]]
NOW = datetime.now(UTC)
DAY = timedelta(days=1)
PATHS = (
    "/usage",
    "/summaries/usage-trend",
    "/summaries/jobs-overview",
    "/summaries/success-rate",
    "/summaries/latency",
    "/summaries/quota-forecast",
)
SUBJECT = (
    "INSERT INTO jobs.subjects (subject_id, user_id, plan, period_start, period_end)"
    " VALUES ($1, $2, 'FREE', $3, $4)"
)
COUNTER = (
    "INSERT INTO jobs.usage_counters (id, user_id, subject_id, plan, period_start, period_end,"
    " jobs_used, jobs_reserved, jobs_limit) VALUES (gen_random_uuid(), $1, $2, 'FREE', $3, $4, $5,"
    " $6, 100)"
)
CHARGE = """
INSERT INTO jobs.usage_events
  (subject_id, seq, user_id, kind, quantity, job_id, period_start, occurred_at, prev_hash, hash)
SELECT subject_id, last_seq + 1, user_id, 'job_completed', 1, $2, period_start, $3, head,
  jobs.usage_hash(subject_id, last_seq + 1, $2, 1, $3, head)
FROM jobs.subjects WHERE user_id = $1
"""


class Member:
    """A user with a period, jobs and charges."""

    def __init__(self, user: ApiUser, fake_jobs: FakeJobsService, rows: asyncpg.Connection) -> None:
        self.user, self.fake_jobs, self.rows = user, fake_jobs, rows
        self.period = (NOW - 10 * DAY, NOW + 20 * DAY)

    async def start_period(self, used: int = 40, reserved: int = 1) -> None:
        subject = uuid4()
        await self.rows.execute(SUBJECT, subject, self.user.id, *self.period)
        start, _ = self.period
        earlier = (start - 30 * DAY, start, 12, 0)
        for period in ((*self.period, used, reserved), earlier):
            await self.rows.execute(COUNTER, self.user.id, subject, *period)

    async def charge(self, at: datetime, job_id: UUID | None = None) -> None:
        await self.rows.execute(CHARGE, self.user.id, job_id or uuid4(), at)

    async def insert_job(self, status: str, **fields: Any) -> UUID:
        ended = status in {"COMPLETED", "FAILED", "CANCELLED"}
        fields = {"status": status, "created_at": NOW, "run_at": NOW} | fields
        if ended:
            fields = {"finished_at": fields["created_at"] + timedelta(seconds=4)} | fields
        return await self.fake_jobs.insert_job(self.user.id, **fields)

    async def read(self, path: str, **query: Any) -> Any:
        answer = await self.user.request("GET", path, params=query)
        assert answer.status_code == 200
        return answer.json()


@pytest_asyncio.fixture
async def member(sign_in: SignIn, fake_jobs: FakeJobsService, rows: asyncpg.Connection) -> Member:
    return Member(await sign_in(), fake_jobs, rows)


@pytest_asyncio.fixture
async def cached_views(redis_url: str, environment: str) -> AsyncIterator[CachedViews]:
    """Return a function that reads what the cache has, and for how many milliseconds."""
    broker = RedisBroker(redis_url)

    async def read() -> list[tuple[bytes | None, int]]:
        keys = await broker.execute_command("KEYS", f"msaas:{environment}:cache:*")
        return [
            (
                await broker.execute_command("GET", key),
                await broker.execute_command("PTTL", key),
            )
            for key in keys
        ]

    yield read
    await broker.close()


async def test_the_usage_trend_is_grouped_by_task_and_key(member: Member) -> None:
    for by in ("task_type", "api_key"):
        empty = await member.read("/summaries/usage-trend", by=by, days=3)
        assert (empty["total"], empty["groups"]) == (0, [])
    assert (await member.read("/summaries/usage-trend"))["groups"] is None
    unknown = {"by": "colour"}
    refused = await member.user.request("GET", "/summaries/usage-trend", params=unknown)
    assert refused.status_code == 422
    await member.start_period()
    key = uuid4()
    for days, fields in (
        (0, {"api_key_id": key}),
        (1, {"api_key_id": key, "task_type": "other"}),
        (1, {}),
    ):
        job_id = await member.insert_job("COMPLETED", **fields)
        await member.charge(NOW - days * DAY, job_id)
    await member.charge(NOW)  # of a job that is gone
    by_task = await member.read("/summaries/usage-trend", by="task_type", days=2)
    by_key = await member.read("/summaries/usage-trend", by="api_key", days=2)
    for trend in (by_task, by_key):
        assert trend["total"] == 4
        assert [day["jobs"] for day in trend["by_day"]] == [2, 2]
    totals = [(group["key"], group["total"]) for group in by_task["groups"]]
    assert totals == [("echo", 2), ("other", 1), (None, 1)]
    assert [day["jobs"] for day in by_task["groups"][0]["by_day"]] == [1, 1]
    assert {(group["key"], group["total"]) for group in by_key["groups"]} == {
        (str(key), 2),
        (None, 2),
    }


async def test_an_empty_summary_is_returned_and_cached(
    member: Member, read_metric: ReadMetric
) -> None:
    for _ in range(2):
        assert await member.read("/usage") == {"current": None, "earlier": []}
        overview = await member.read("/summaries/jobs-overview")
        assert (overview["total"]["jobs"], overview["by_day"]) == (0, [])
        assert (await member.read("/summaries/latency"))["total"] is None
        assert await member.read("/summaries/quota-forecast") == {"forecast": None}
    labels = {"cache": "summaries", "outcome": "hit"}
    assert read_metric("msaas_cache_reads_total", **labels) == 4


async def test_usage_is_of_this_period_by_day_and_of_earlier_ones(member: Member) -> None:
    await member.start_period()
    for at in (NOW - 2 * DAY, NOW - 2 * DAY, NOW - DAY):
        await member.charge(at)
    report = await member.read("/usage")
    current = report["current"]
    assert (current["jobs_used"], current["jobs_reserved"], current["jobs_limit"]) == (40, 1, 100)
    assert datetime.fromisoformat(current["resets_at"]) == member.period[1]
    by_day = {row["day"]: row["jobs"] for row in current["by_day"]}
    assert by_day == {str((NOW - 2 * DAY).date()): 2, str((NOW - DAY).date()): 1}
    assert [period["jobs_used"] for period in report["earlier"]] == [12]


async def test_the_trend_has_every_day_and_the_forecast_an_end(member: Member) -> None:
    await member.start_period(used=95)
    for back in (1, 2, 3, 3):
        await member.charge(NOW - back * DAY)
    trend = await member.read("/summaries/usage-trend", days=5)
    assert trend["total"] == 4
    today = datetime.now(UTC).date()
    assert [row["day"] for row in trend["by_day"]] == [
        str(today - back * DAY) for back in (4, 3, 2, 1, 0)
    ]
    outlook = (await member.read("/summaries/quota-forecast"))["forecast"]
    assert outlook["jobs_per_day"] == pytest.approx(4 / 7, abs=0.01)
    assert NOW < datetime.fromisoformat(outlook["exhausted_at"]) < member.period[1]


async def test_jobs_are_counted_by_status_task_and_day(member: Member) -> None:
    await member.insert_job("COMPLETED", started_at=NOW + timedelta(seconds=1))
    await member.insert_job("COMPLETED", started_at=NOW + timedelta(seconds=3))
    await member.insert_job("CANCELLED")
    await member.insert_job("PENDING", task_type="other")
    await member.insert_job("PENDING", created_at=NOW - 100 * DAY)
    failed = await member.insert_job("FAILED", failure_reason="timeout", created_at=NOW - DAY)
    overview = await member.read("/summaries/jobs-overview", days=2)
    total = {"jobs": 5, "pending": 1, "running": 0, "completed": 2, "failed": 1, "cancelled": 1}
    assert overview["total"] == total
    assert [(row["task_type"], row["jobs"]) for row in overview["by_task"]] == [
        ("echo", 4),
        ("other", 1),
    ]
    assert [row["jobs"] for row in overview["by_day"]] == [1, 4]
    [failure] = overview["recent_failures"]
    assert (failure["id"], failure["failure_reason"]) == (str(failed), "timeout")
    rate = await member.read("/summaries/success-rate", days=2)
    assert rate["total"] == {"completed": 2, "failed": 1, "rate": 0.6667}
    assert rate["reasons"] == [{"reason": "timeout", "jobs": 1}]
    assert [row["rate"] for row in rate["by_day"]] == [0.0, 1.0]
    latency = await member.read("/summaries/latency", days=2)
    assert latency["total"]["wait_seconds"]["p50"] == pytest.approx(2)
    assert latency["total"]["run_seconds"]["p50"] == pytest.approx(2)
    assert [row["jobs"] for row in latency["by_task"]] == [2]


async def test_a_summary_does_not_include_other_users(member: Member, sign_in: SignIn) -> None:
    await member.start_period()
    await member.insert_job("COMPLETED", started_at=NOW)
    await member.charge(NOW)
    for path in PATHS:
        await member.read(path)
    other = await sign_in()
    answers = [(await other.request("GET", path)).json() for path in PATHS]
    assert answers[0] == {"current": None, "earlier": []}
    assert answers[2]["total"]["jobs"] == 0


@pytest.mark.parametrize("days", ["0", "91", "-1", "x"])
async def test_days_out_of_range_are_refused(member: Member, days: str) -> None:
    for path in PATHS[1:5]:
        answer = await member.user.request("GET", path, params={"days": days})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/days")


async def test_a_cached_summary_is_returned_until_an_event(member: Member) -> None:
    job = await member.insert_job("PENDING")
    assert (await member.read(PATHS[2]))["total"]["pending"] == 1
    await member.rows.execute("DELETE FROM jobs.jobs WHERE id = $1", job)
    assert (await member.read(PATHS[2]))["total"]["pending"] == 1
    await member.fake_jobs.publish_change(uuid4(), job)  # an event of another user
    await member.fake_jobs.publish_change(member.user.id, job, percent=50)  # changes no sum
    assert (await member.read(PATHS[2]))["total"]["pending"] == 1
    await member.fake_jobs.publish_change(member.user.id, job)

    async def is_new() -> bool:
        return (await member.read(PATHS[2]))["total"]["pending"] == 0

    await wait_until(is_new)


async def test_another_gateway_shows_no_older_sum_after_the_event_either(
    member: Member, open_gateway: OpenGateway, gateway_settings: Settings, rows: asyncpg.Connection
) -> None:
    _, url = await open_gateway(gateway_settings)
    address = f"{url}/api/v1/summaries/jobs-overview"

    async def read_there() -> int:
        answer = await member.user.http.get(address, headers=member.user.headers)
        return answer.json()["total"]["pending"]

    assert await read_there() == (await member.read(PATHS[2]))["total"]["pending"] == 0
    job = await member.insert_job("PENDING")
    assert await read_there() == (await member.read(PATHS[2]))["total"]["pending"] == 0
    await member.fake_jobs.publish_change(member.user.id, job)

    async def both_know() -> bool:
        return await read_there() == (await member.read(PATHS[2]))["total"]["pending"] == 1

    await wait_until(both_know)


async def test_concurrent_requests_share_one_query(member: Member, read_metric: ReadMetric) -> None:
    await member.insert_job("COMPLETED", started_at=NOW)
    answers = await asyncio.gather(*(member.read(PATHS[4]) for _ in range(20)))
    assert {answer["total"]["jobs"] for answer in answers} == {1}
    found = {
        outcome: read_metric("msaas_cache_reads_total", cache="summaries", outcome=outcome) or 0
        for outcome in ("miss", "shared", "hit")
    }
    assert found["miss"] == 1
    assert sum(found.values()) == 20


async def test_nothing_that_a_user_gave_or_got_is_kept(
    member: Member, cached_views: CachedViews
) -> None:
    await member.start_period()
    secret = "planted-secret"
    fields = {"params": {"message": secret}, "last_error": secret, "started_at": NOW}
    await member.insert_job("FAILED", failure_reason="timeout", **fields)
    for path in PATHS:
        await member.read(path)
    views = await cached_views()
    assert len(views) == len(PATHS)
    for content, milliseconds_left in views:
        assert secret.encode() not in (content or b"")
        assert 0 < milliseconds_left <= 3_600_000


async def test_a_replica_is_read_if_there_is_one_and_cached_briefly(
    open_gateway: OpenGateway,
    gateway_settings: Settings,
    sign_in: SignIn,
    cached_views: CachedViews,
) -> None:
    replica = {"summaries_database_url": gateway_settings.read_database_url}
    _, url = await open_gateway(gateway_settings.model_copy(update=replica))
    user = await sign_in()
    answer = await user.http.get(f"{url}/api/v1/summaries/usage-trend", headers=user.headers)
    assert answer.status_code == 200
    lifetimes = [milliseconds_left for _, milliseconds_left in await cached_views()]
    assert lifetimes
    assert max(lifetimes) <= 10_000
