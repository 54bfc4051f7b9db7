"""The selection among many jobs: bounded, within the plans, safe with two replicas."""

import asyncio
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from services.jobs.tests.support import AddUser, OpenDatabase

from msaas.contracts import PLANS, Plan
from msaas.jobs.adapters.postgres import dispatch_sql as sql
from msaas.jobs.adapters.postgres.dispatch import EXPLAINED_WAIT, MAX_PICKED, PostgresDispatch
from msaas.postgres import Database

AddUsers = Callable[..., Awaitable[list[UUID]]]

FILL = """
INSERT INTO jobs.jobs
  (id, user_id, task_type, payload, max_attempts, correlation_id, source, billable, priority,
   run_at)
SELECT gen_random_uuid(), $1, $3, '{}', 3, 'c', 'api', false, 1 + n % 9, now() - interval '1 min'
FROM generate_series(1, $2) AS n
"""
WOKEN = (
    "UPDATE jobs.jobs SET status = 'RUNNING', started_at = now() WHERE id IN ("
    " SELECT id FROM jobs.jobs WHERE user_id = $1 ORDER BY priority DESC LIMIT $2)"
)
END = (
    "UPDATE jobs.jobs SET status = 'COMPLETED', finished_at = now(), reserved = false"
    " WHERE id = ANY($1::uuid[])"
)
HELD = (
    "SELECT user_id, count(*) AS held FROM jobs.jobs"
    " WHERE finished_at IS NULL AND fence IS NOT NULL GROUP BY user_id"
)
BROWSE = "navigate_and_extract_text"


@pytest.fixture
def add_users(add_user: AddUser, rows: asyncpg.Connection) -> AddUsers:
    """Create users of a plan, each with that many due jobs."""

    async def add(plan: Plan, *backlogs: int, task_type: str = "echo") -> list[UUID]:
        users = [await add_user() for _ in backlogs]
        for user, count in zip(users, backlogs, strict=True):
            await rows.execute(
                "INSERT INTO jobs.subjects (subject_id, user_id, plan, period_start, period_end)"
                " VALUES (gen_random_uuid(), $1, $2, '2026-01-01Z', '2036-01-01Z')",
                user,
                plan,
            )
            await rows.execute(FILL, user, count, task_type)
        return users

    return add


@pytest.mark.parametrize("seed", range(3))
async def test_no_user_starves_and_none_exceeds_the_plan_in_any_order_of_ends(
    database: Database, add_users: AddUsers, rows: asyncpg.Connection, seed: int
) -> None:
    """With little capacity, every waiting user gets a job within the ticks that weights allow."""
    draw = random.Random(seed)  # noqa: S311  # repeatable
    plans: dict[UUID, Plan] = {}
    for plan in Plan:
        for user in await add_users(plan, *(draw.choice([1, 5, 60]) for _ in range(4))):
            plans[user] = plan
    store = PostgresDispatch(database, window=6)
    begun: Counter[UUID] = Counter()
    for _ in range(60):
        picked = (await store.pick(1)).picked
        begun.update(job.envelope.meta.user_id for job in picked)
        for row in await rows.fetch(HELD):
            assert row["held"] <= PLANS[plans[row["user_id"]]].slots
        running = [job.envelope.job_id for job in picked if draw.random() < 0.8]
        await rows.execute("UPDATE jobs.jobs SET lease_until = now() WHERE fence IS NOT NULL")
        await rows.execute(END, running)
        if begun.keys() == plans.keys():
            break
    assert begun.keys() == plans.keys()


async def test_behind_ten_thousand_jobs_of_another_a_job_is_picked_in_the_next_tick(
    database: Database, add_users: AddUsers
) -> None:
    await add_users(Plan.ENTERPRISE, 10_000)
    store = PostgresDispatch(database, window=200)
    assert len((await store.pick(1)).picked) == PLANS[Plan.ENTERPRISE].slots
    [calm] = await add_users(Plan.FREE, 1)
    assert [job.envelope.meta.user_id for job in (await store.pick(1)).picked] == [calm]


async def test_ten_thousand_earlier_jobs_leave_half_of_the_capacity(
    database: Database, add_users: AddUsers
) -> None:
    [flood] = await add_users(Plan.PRO, 10_000)
    [calm] = await add_users(Plan.PRO, 1)
    picked = (await PostgresDispatch(database, window=2).pick(1)).picked
    assert Counter(job.envelope.meta.user_id for job in picked) == {flood: 1, calm: 1}


async def test_of_a_user_what_was_woken_goes_first_and_then_priority(
    database: Database, add_users: AddUsers, rows: asyncpg.Connection
) -> None:
    [user] = await add_users(Plan.PRO, 40)
    await rows.execute(WOKEN, user, 5)
    picked = {
        job.envelope.job_id for job in (await PostgresDispatch(database, window=12).pick(1)).picked
    }
    order = await rows.fetch(
        "SELECT id FROM jobs.jobs ORDER BY status DESC, priority, run_at, id LIMIT 12"
    )
    assert picked == {row["id"] for row in order}


async def test_two_dispatchers_with_the_same_users_pick_each_job_once(
    open_database: OpenDatabase, add_users: AddUsers, rows: asyncpg.Connection
) -> None:
    await add_users(Plan.PRO, *([15] * 20))
    replicas = [PostgresDispatch(await open_database(), window=2_000) for _ in range(2)]

    async def pick_all(store: PostgresDispatch) -> list[UUID]:
        picked: list[UUID] = []
        while len(await rows_left(rows)):
            picked += [job.envelope.job_id for job in (await store.pick(1)).picked]
        return picked

    picked = [item for many in await asyncio.gather(*map(pick_all, replicas)) for item in many]
    assert len(picked) == len(set(picked)) == 300
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert await rows.fetchval(deadlocks) == 0
    assert await rows.fetchval("SELECT count(*) FROM jobs.job_attempts") == 300


READS = asyncio.Lock()


async def rows_left(rows: asyncpg.Connection) -> list[Any]:
    async with READS:
        return await rows.fetch("SELECT id FROM jobs.jobs WHERE dispatched_at IS NULL LIMIT 1")


async def test_one_that_is_killed_with_its_picks_leaves_them_to_the_next(
    database: Database, jobs_url: str, add_users: AddUsers, rows: asyncpg.Connection
) -> None:
    await add_users(Plan.PRO, *([5] * 10))
    program = Path(__file__).parents[1] / "programs/crashing_dispatch.py"
    killed = await asyncio.create_subprocess_exec(
        sys.executable, str(program), env=os.environ | {"DATABASE_URL": jobs_url}
    )
    assert await killed.wait() == 137
    tick = await PostgresDispatch(database, window=200).pick(1)
    while tick.is_busy:  # until the server has noticed that the other session has ended
        tick = await PostgresDispatch(database, window=200).pick(1)
    assert len(tick.picked) == 50
    assert await rows.fetchval("SELECT count(*) FROM jobs.job_attempts") == 50


async def test_the_cost_of_a_pick_depends_on_users_and_types_and_not_on_waiting_jobs(
    add_users: AddUsers, rows: asyncpg.Connection
) -> None:
    await add_users(Plan.FREE, *([3] * 100))
    [user] = await add_users(Plan.PRO, 20_000)
    await rows.execute("UPDATE jobs.jobs SET status = 'FAILED', finished_at = now()")
    for task_type in ("echo", BROWSE):
        await rows.execute(FILL, user, 20_000, task_type)
    await rows.execute("ANALYZE jobs.jobs, jobs.job_attempts, jobs.subjects")
    turn = [[user], ["PRO"], [0], [20], [4], [False]]
    kinds = [["echo", BROWSE], ["jobs.generic", "jobs.browser"], [200, 200]]
    pick: list[Any] = [*kinds, *turn, MAX_PICKED, EXPLAINED_WAIT, "1-", 0]
    for mode in ("force_custom_plan", "force_generic_plan"):
        await rows.execute(f"SET plan_cache_mode = {mode}")
        statements: list[tuple[str, list[Any]]] = [
            (sql.WAITING_USERS, [UUID(int=0), 200]),
            (sql.PICK, pick),
        ]
        for statement, values in statements:
            plan = await explain(rows, statement, values)
            assert "jobs_by_dispatch_order" in plan, plan
            assert "Seq Scan on jobs" not in plan, plan
            read = [int(n) for n in re.findall(r"on jobs\b.*?actual rows=(\d+)", plan)]
            assert max(read) <= 200, plan


async def explain(rows: asyncpg.Connection, statement: str, values: list[Any]) -> str:
    transaction = rows.transaction()
    await transaction.start()
    try:
        lines = await rows.fetch(f"EXPLAIN (ANALYZE, TIMING OFF) {statement}", *values)
    finally:
        await transaction.rollback()
    return "\n".join(line[0] for line in lines)
