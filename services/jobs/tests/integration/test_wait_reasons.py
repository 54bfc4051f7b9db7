"""Why a job waited is stored with its dispatch, and the statistics of the queue beside it."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from services.jobs.tests.support import BuildJob, RunCommands, RunTick

from msaas.contracts import PauseTask, Plan, ResumeTask
from msaas.jobs.adapters.postgres.dispatch import PostgresDispatch
from msaas.jobs.adapters.postgres.pauses import PostgresPauses
from msaas.jobs.adapters.postgres.queue_stats import PostgresQueueStats
from msaas.jobs.application.measure_queue import INTERVAL, MeasureQueueTask
from msaas.jobs.application.set_pauses import SetPauses
from msaas.postgres import Database
from msaas.telemetry import Metrics
from msaas.testing import FakeClock

ReadWait = Callable[[Any], Awaitable[tuple[str | None, int]]]
AGE = "UPDATE jobs.jobs SET run_at = run_at - interval '1 min', created_at = now() - interval '1 h'"
WAITS = "SELECT waited_for, waited_ms FROM jobs.job_attempts WHERE fence = $1"
END = (
    "WITH ended AS (UPDATE jobs.jobs SET status = 'FAILED', finished_at = now(), reserved = false"
    " WHERE id = $1 RETURNING id)"
    " UPDATE jobs.job_attempts a SET finished_at = now() FROM ended WHERE a.job_id = ended.id"
)


@pytest.fixture
def read_wait(rows: asyncpg.Connection) -> ReadWait:
    async def read(dispatch: Any) -> tuple[str | None, int]:
        row = await rows.fetchrow(WAITS, dispatch.envelope.fence)
        assert row is not None
        return row["waited_for"], row["waited_ms"]

    return read


async def test_a_job_that_did_not_wait_has_no_wait_reason(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    user: UUID,
    read_wait: ReadWait,
    rows: asyncpg.Connection,
) -> None:
    await run_commands(submit_job(user))
    [one] = (await run_tick()).picked
    waited_for, waited_ms = await read_wait(one)
    assert waited_for is None
    assert 0 <= waited_ms < 60_000


@pytest.mark.parametrize("at_once", [1, 2])
async def test_a_job_that_waited_for_a_slot_of_its_plan_reports_it(
    run_commands: RunCommands,
    submit_job: BuildJob,
    database: Database,
    user: UUID,
    read_wait: ReadWait,
    rows: asyncpg.Connection,
    at_once: int,
) -> None:
    store = PostgresDispatch(database, window=200)
    await run_commands(*(submit_job(user) for _ in range(3)))
    first = (await store.pick(1)).picked
    await store.pick(1)
    for item in first[:at_once]:
        await rows.execute(END, item.envelope.job_id)
    await rows.execute(AGE)
    [late] = (await store.pick(1)).picked
    waited_for, waited_ms = await read_wait(late)
    assert waited_for == "plan_concurrency"
    assert waited_ms >= 60_000


async def test_a_job_that_waited_for_capacity_reports_it(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    user: UUID,
    read_wait: ReadWait,
    rows: asyncpg.Connection,
) -> None:
    await run_commands(*(submit_job(user, plan=Plan.PRO) for _ in range(2)))
    [first] = (await run_tick(window=1)).picked
    assert (await run_tick(window=1)).picked == []
    await rows.execute(
        "UPDATE jobs.jobs SET status = 'RUNNING', lease_until = now() WHERE id = $1",
        first.envelope.job_id,
    )
    await rows.execute(AGE)
    [late] = (await run_tick(window=1)).picked
    assert (await read_wait(late))[0] == "topic_window"


async def test_a_job_that_was_scheduled_reports_it(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    user: UUID,
    read_wait: ReadWait,
    rows: asyncpg.Connection,
) -> None:
    await run_commands(submit_job(user))
    await rows.execute("UPDATE jobs.jobs SET created_at = now() - interval '1 h'")
    [one] = (await run_tick()).picked
    assert (await read_wait(one))[0] == "scheduled"


async def test_a_job_that_waited_for_the_end_of_a_pause_reports_it(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    user: UUID,
    read_wait: ReadWait,
    rows: asyncpg.Connection,
    database: Database,
) -> None:
    set_pauses = SetPauses(PostgresPauses(database), request_dispatch=lambda: None)
    await set_pauses([PauseTask(task_type="echo")])
    await rows.execute("UPDATE jobs.pauses SET since = now() - interval '30 s'")
    await run_commands(submit_job(user))
    await rows.execute(AGE)
    await set_pauses([ResumeTask(task_type="echo")])
    [one] = (await run_tick()).picked
    assert (await read_wait(one))[0] == "paused"


async def test_the_wait_of_the_second_run_excludes_the_first(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    await run_commands(submit_job(user, plan=Plan.PRO))
    [first] = (await run_tick()).picked
    await rows.execute("UPDATE jobs.job_attempts SET outcome = 'lost', finished_at = now()")
    await rows.execute(AGE)
    await rows.execute("UPDATE jobs.jobs SET dispatched_at = NULL, fence = NULL")
    [again] = (await run_tick()).picked
    sql = "SELECT waited_for FROM jobs.job_attempts WHERE fence = $1"
    assert await rows.fetchval(sql, again.envelope.fence) is None
    assert first.envelope.fence != again.envelope.fence


async def test_the_queue_is_measured_once_a_second_for_all_processes(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    user: UUID,
    rows: asyncpg.Connection,
    database: Database,
) -> None:
    await run_commands(*(submit_job(user, plan=Plan.PRO) for _ in range(5)))
    await run_tick(window=2)
    await rows.execute(
        "UPDATE jobs.job_attempts SET started_at = now() - interval '4 s', finished_at = now(),"
        " outcome = 'succeeded', waited_ms = 1500"
    )
    stats = PostgresQueueStats(database, window=2)
    measured = await stats.measure(INTERVAL)
    assert measured is not None
    assert await PostgresQueueStats(database, window=2).measure(INTERVAL) is None
    row = await rows.fetchrow("SELECT * FROM jobs.queue_stats WHERE task_type = 'echo'")
    assert row is not None
    columns = ("waiting", "running", "median_wait_ms", "median_run_ms", "is_full")
    assert tuple(row[name] for name in columns) == (3, 0, 1500, 4000, True)
    await rows.execute("DELETE FROM jobs.job_attempts")
    await rows.execute("UPDATE jobs.queue_stats SET measured_at = now() - interval '2 s'")
    await stats.measure(INTERVAL)
    assert (
        await rows.fetchval("SELECT median_run_ms FROM jobs.queue_stats WHERE waiting > 0") == 4000
    )


async def test_what_takes_long_to_measure_is_measured_less_often(fake_clock: FakeClock) -> None:
    class Slow:
        calls = 0

        async def measure(self, interval: Any) -> None:
            assert interval == INTERVAL
            self.calls += 1
            await fake_clock.advance(0.5)

    stats = Slow()
    measure = MeasureQueueTask(stats, Metrics("jobs", "test"), fake_clock)
    for seconds in (0, 1, 8.9, 0.2):
        await fake_clock.advance(seconds)
        await measure()
    assert stats.calls == 2
