"""Settlement of many jobs: chain, counters, two replicas, query plans, the cost of a heartbeat."""

import asyncio
import random
import re
from collections.abc import Sequence
from typing import Any

import asyncpg
from services.jobs.tests.support import (
    Given,
    GivenRun,
    MakeResults,
    OpenDatabase,
    ReadCharges,
    ResultsHarness,
)

from msaas.contracts import USAGE_GENESIS, usage_hash
from msaas.jobs.adapters.postgres import results_sql as sql
from msaas.jobs.adapters.postgres.results_rows import lease_row, read_job, read_run, state_row
from msaas.jobs.domain.settlement import SettlementRules, decide
from msaas.jobs.entrypoints.topics.results import read_report
from msaas.postgres import Database
from msaas.testing import wait_until

CHAIN_IN_SQL = """
SELECT bool_and(
  e.hash = jobs.usage_hash(e.subject_id, e.seq, e.job_id, e.quantity, e.occurred_at, e.prev_hash)
  AND e.prev_hash = coalesce(p.hash, decode(repeat('00', 32), 'hex'))
) AND count(*) = $1
FROM jobs.usage_events e
LEFT JOIN jobs.usage_events p ON p.subject_id = e.subject_id AND p.seq = e.seq - 1
"""
OTHER_WAY = r"Seq Scan on jobs\b|jobs_(by|to|dispatched|one)"
DRIFTED = """
SELECT count(*) FROM jobs.usage_counters c
LEFT JOIN LATERAL (
  SELECT count(*) AS events FROM jobs.usage_events e
  WHERE e.subject_id = c.subject_id AND e.period_start = c.period_start
) AS used ON true
LEFT JOIN LATERAL (
  SELECT count(*) AS held FROM jobs.jobs j
  WHERE j.user_id = c.user_id AND j.usage_period = c.period_start AND j.reserved
) AS open ON true
WHERE c.jobs_used <> used.events OR c.jobs_reserved <> open.held
"""


async def make_runs(given: Given, users: int, jobs: int) -> list[Any]:
    made = [run for _ in range(users) for run in await given.runs(jobs)]
    random.Random(7).shuffle(made)  # noqa: S311  # the same order every time
    return made


def cut(runs: Sequence[Any], most: int) -> list[Sequence[Any]]:
    """Cut into batches of varying size."""
    rng = random.Random(11)  # noqa: S311  # the same cuts every time
    at, batches = 0, list[Sequence[Any]]()
    while at < len(runs):
        size = rng.randint(1, most)
        batches.append(runs[at : at + size])
        at += size
    return batches


async def check_chain(rows: asyncpg.Connection, count: int) -> None:
    heads: dict[Any, str] = {}
    for row in await rows.fetch("SELECT * FROM jobs.usage_events ORDER BY subject_id, seq"):
        subject, previous = row["subject_id"], heads.get(row["subject_id"], USAGE_GENESIS)
        assert row["prev_hash"].hex() == previous
        heads[subject] = usage_hash(
            subject, row["seq"], row["job_id"], row["quantity"], row["occurred_at"], previous
        )
        assert row["hash"].hex() == heads[subject]
    for row in await rows.fetch("SELECT subject_id, head, last_seq FROM jobs.subjects"):
        assert row["head"].hex() == heads[row["subject_id"]]
    assert await rows.fetchval(CHAIN_IN_SQL, count) is True
    assert await rows.fetchval(DRIFTED) == 0


async def test_the_chain_is_whole_after_200_completions_in_random_batches(
    given: Given, results: ResultsHarness, rows: asyncpg.Connection, charges: ReadCharges
) -> None:
    runs = await make_runs(given, users=4, jobs=50)
    charged: list[Any] = []
    for batch in cut(runs, 40):
        failed, done = batch[::10], [run for n, run in enumerate(batch) if n % 10]
        messages = [run.succeeded() for run in done]
        messages += [run.failed(retryable=False) for run in failed]
        charged += charges(await results.persist(*messages))
    completed = await rows.fetchval("SELECT count(*) FROM jobs.jobs WHERE status = 'COMPLETED'")
    assert 150 < completed < 200
    await check_chain(rows, completed)
    assert {(message.subject_id, message.seq, message.hash) for message in charged} == {
        (row["subject_id"], row["seq"], row["hash"].hex())
        for row in await rows.fetch("SELECT subject_id, seq, hash FROM jobs.usage_events")
    }


async def test_several_jobs_of_one_subject_in_one_batch_follow_each_other(
    given: Given, results: ResultsHarness, rows: asyncpg.Connection, charges: ReadCharges
) -> None:
    runs = await given.runs(20)
    facts = charges(await results.persist(*[run.succeeded() for run in runs]))
    assert [fact.seq for fact in facts] == list(range(1, 21))
    await check_chain(rows, 20)


async def test_two_replicas_with_the_same_users_neither_deadlock_nor_charge_twice(
    given: Given,
    make_results: MakeResults,
    rows: asyncpg.Connection,
    open_database: OpenDatabase,
    charges: ReadCharges,
) -> None:
    """Both read the reports of every job, in different order, as after a reclaimed batch."""
    runs = await make_runs(given, users=5, jobs=40)
    replicas = [make_results(await open_database()) for _ in range(2)]

    async def persist_all(number: int) -> list[Any]:
        mine = list(runs)
        random.Random(number).shuffle(mine)  # noqa: S311  # each its own order
        charged: list[Any] = []
        for batch in cut(mine, 30):
            out = await replicas[number].persist(
                *[run.started() for run in batch], *[run.succeeded() for run in batch]
            )
            charged += charges(out)
        return charged

    await asyncio.gather(persist_all(0), persist_all(1))
    await check_chain(rows, 200)
    await rows.execute("SELECT pg_stat_force_next_flush()")
    database = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert await rows.fetchval(database) == 0


async def test_a_locked_row_is_waited_for_more_than_once(
    given: Given, results: ResultsHarness, rows: asyncpg.Connection
) -> None:
    run = await given.run()

    async def is_waiting() -> bool:
        return await rows.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")

    async def has_timed_out() -> bool:
        return not await is_waiting()

    async with rows.transaction():
        await rows.execute("SELECT FROM jobs.jobs WHERE id = $1 FOR UPDATE", run.job)
        persisting = asyncio.create_task(results.persist(run.succeeded()))
        await wait_until(is_waiting)
        await wait_until(has_timed_out)
    await persisting
    assert await given.counted(run) == (1, 0)


async def test_the_write_goes_by_primary_key_at_a_size_that_matters(
    given: Given, rows: asyncpg.Connection
) -> None:
    runs = await given.runs(2_000)
    await rows.execute(
        """
        INSERT INTO jobs.jobs
          (id, user_id, task_type, payload, max_attempts, correlation_id, source, billable,
           status, finished_at, dispatched_at)
        SELECT gen_random_uuid(), $1, 'echo', '{}', 3, 'c', 'api', true,
          CASE WHEN n % 5 = 0 THEN 'RUNNING' ELSE 'COMPLETED' END,
          CASE WHEN n % 5 = 0 THEN NULL ELSE now() END, now()
        FROM generate_series(1, 60000) AS n
        """,
        runs[0].user,
    )
    await rows.execute("ANALYZE jobs.jobs, jobs.job_attempts")
    transitions = [await read_state(rows, run) for run in runs[:200]]
    ids = [run.job for run in runs[:200]]
    statements: list[tuple[str, list[Any]]] = [
        (sql.UPDATE_STATES, list(zip(*map(state_row, transitions), strict=True))),
        (sql.RENEW_LEASES, list(zip(*map(lease_row, transitions), strict=True))),
        (sql.LOCK_JOBS, [ids, ids, ids, ["run_steps"]]),
    ]
    # After some executions Postgres plans a prepared statement without its values.
    for mode in ("force_custom_plan", "force_generic_plan"):
        await rows.execute(f"SET plan_cache_mode = {mode}")
        for statement, values in statements:
            scans = await list_scans(rows, statement, values)
            assert any("jobs_pkey" in scan for scan in scans), scans
            assert not [scan for scan in scans if re.search(OTHER_WAY, scan)]


async def read_state(rows: asyncpg.Connection, run: GivenRun) -> Any:
    [job] = await rows.fetch(sql.LOCK_JOBS, [run.job], [], [], [])
    [attempt] = await rows.fetch(sql.FIND_RUNS, [run.job])
    rules = SettlementRules(once=frozenset(), jitter=lambda: 1.0)
    return decide(
        read_job(job),
        {run.fence: read_run(attempt)},
        {run.fence: read_report(run.succeeded())},
        job["created_at"],
        rules,
    )


async def list_scans(rows: asyncpg.Connection, statement: str, values: list[Any]) -> list[str]:
    transaction = rows.transaction()
    await transaction.start()
    try:
        lines = await rows.fetch(f"EXPLAIN (ANALYZE, TIMING OFF) {statement}", *values)
    finally:
        await transaction.rollback()
    return [line[0].strip() for line in lines if " Scan " in line[0]]


async def test_heartbeats_touch_no_index(
    given: Given, make_results: MakeResults, rows: asyncpg.Connection, open_database: OpenDatabase
) -> None:
    database = await open_database(max_size=1)
    results = make_results(database)
    runs = await given.runs(200)
    await results.persist(*[run.started() for run in runs])
    # With free space on every page, only a changed index needs new index entries.
    await rows.execute("ALTER TABLE jobs.jobs SET (fillfactor = 10)")
    await rows.execute("VACUUM FULL jobs.jobs")
    before = await count_updates(database, rows)
    for _ in range(5):
        await results.persist(*[run.heartbeat() for run in runs], runs[0].progressed(50))
    after = await count_updates(database, rows)
    updates, hot = (now - was for now, was in zip(after, before, strict=True))
    assert hot == updates == 5 * 200


async def count_updates(database: Database, rows: asyncpg.Connection) -> tuple[int, int]:
    """Flush the statistics of the service's one session."""
    async with database.connection() as connection:
        await connection.execute("SELECT pg_stat_force_next_flush()")
    row = await rows.fetchrow(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
        " WHERE relid = 'jobs.jobs'::regclass"
    )
    assert row is not None
    return row["n_tup_upd"], row["n_tup_hot_upd"]
