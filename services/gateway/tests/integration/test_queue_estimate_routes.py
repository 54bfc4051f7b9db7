"""Queue estimates of waiting jobs, from the user's own rows and shared statistics."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest_asyncio
from services.gateway.tests.conftest import ApiUser, FakeJobsService, SignIn

STATS = (
    "INSERT INTO jobs.queue_stats"
    " (task_type, waiting, running, median_wait_ms, median_run_ms, is_full)"
    " VALUES ('echo', 3, 2, 1000, 60000, $1)"
    " ON CONFLICT (task_type) DO UPDATE SET is_full = excluded.is_full"
)
SUBJECT = (
    "INSERT INTO jobs.subjects (subject_id, user_id, plan, period_start, period_end)"
    " VALUES ($1, $2, 'FREE', '2026-01-01Z', '2036-01-01Z')"
)
PAUSE = "INSERT INTO jobs.pauses (task_type, reason) VALUES ('echo', 'flag')"
RUNNING: dict[str, Any] = {
    "status": "RUNNING",
    "dispatched_at": datetime.now(UTC),
    "fence": uuid4(),
}


@pytest_asyncio.fixture
async def queue(sign_in: SignIn, fake_jobs: FakeJobsService, rows: asyncpg.Connection) -> Any:
    """Sign in a FREE user, add jobs, and read the queue estimate of one."""

    class Queue:
        def __init__(self, user: ApiUser) -> None:
            self.user = user

        async def add(self, **fields: Any) -> UUID:
            return await fake_jobs.insert_job(self.user.id, **fields)

        async def read(self, job: UUID) -> Any:
            answer = (await self.user.request("GET", f"/jobs/{job}")).json()["queue"]
            listed = (await self.user.request("GET", "/jobs")).json()["items"]
            [same] = [item["queue"] for item in listed if item["id"] == str(job)]
            for estimate in (answer, same):
                if estimate is not None:
                    estimate.pop("estimated_start_at")
            assert same == answer
            return None if answer is None else (answer["reason"], answer["position"])

    user = await sign_in()
    await rows.execute(SUBJECT, uuid4(), user.id)
    await rows.execute(STATS, False)  # noqa: FBT003  # a column
    return Queue(user)


async def test_a_job_alone_in_the_queue_is_first_and_has_no_reason_to_wait(queue: Any) -> None:
    assert await queue.read(await queue.add()) == (None, 1)


async def test_a_job_waits_for_a_slot_of_the_plan_behind_those_before_it(queue: Any) -> None:
    for _ in range(2):
        await queue.add(**RUNNING)
    late, soon = await queue.add(), await queue.add(priority=1)
    assert await queue.read(soon) == ("plan_concurrency", 1)
    assert await queue.read(late) == ("plan_concurrency", 2)
    answer = (await queue.user.request("GET", f"/jobs/{late}")).json()["queue"]
    start = datetime.fromisoformat(answer["estimated_start_at"])
    assert timedelta(0) < start - datetime.now(UTC) <= timedelta(seconds=60)


async def test_a_job_waits_for_a_slot_its_time_or_the_end_of_a_pause(
    queue: Any, rows: asyncpg.Connection
) -> None:
    job = await queue.add()
    later = await queue.add(run_at=datetime.now(UTC) + timedelta(hours=1), priority=0)
    assert await queue.read(later) == ("scheduled", 2)
    await rows.execute(STATS, True)  # noqa: FBT003  # a column
    assert await queue.read(job) == ("topic_window", 1)
    await rows.execute(PAUSE)
    assert await queue.read(job) == ("paused", 1)
    await rows.execute("UPDATE jobs.pauses SET until = now()")
    assert await queue.read(job) == ("topic_window", 1)


async def test_a_job_that_is_not_queued_has_no_queue_estimate(queue: Any) -> None:
    assert await queue.read(await queue.add(**RUNNING)) is None
    assert await queue.read(await queue.add(**RUNNING | {"status": "PENDING"})) is None
    waiting = {"status": "RUNNING", "waiting_for": [uuid4()], "wake_at": datetime.now(UTC)}
    assert await queue.read(await queue.add(**waiting)) is None


async def test_the_queue_of_another_user_does_not_count(
    queue: Any, sign_in: SignIn, fake_jobs: FakeJobsService
) -> None:
    other = await sign_in()
    for _ in range(5):
        await fake_jobs.insert_job(other.id, priority=0)
        await fake_jobs.insert_job(other.id, **RUNNING)
    assert await queue.read(await queue.add()) == (None, 1)


async def test_attempts_and_the_timeline_show_why_a_run_waited(
    queue: Any, rows: asyncpg.Connection
) -> None:
    job = await queue.add(**RUNNING)
    await rows.execute(
        "INSERT INTO jobs.job_attempts (job_id, fence, attempt, waited_for, waited_ms)"
        " VALUES ($1, gen_random_uuid(), 0, 'plan_concurrency', 5210),"
        " ($1, gen_random_uuid(), 1, NULL, 12)",
        job,
    )
    attempts = (await queue.user.request("GET", f"/jobs/{job}/attempts")).json()["items"]
    waits = sorted(
        (attempt["attempt"], attempt["waited_for"], attempt["waited_ms"]) for attempt in attempts
    )
    assert waits == [(0, "plan_concurrency", 5210), (1, None, 12)]
    items = (await queue.user.request("GET", f"/jobs/{job}/timeline")).json()["items"]
    waits = [event["details"] for event in items if event["kind"] == "dispatched"]
    assert waits == [{"waited_for": "plan_concurrency", "waited_ms": 5210}, {}]
