"""Measures retention on old jobs: rows a second, peak memory, and how long locks are held.

Runs the rules of `jobs` with their own login on a Postgres that is started for this, while another
session locks rows of the same table at random. Exits with 1 when a goal is missed.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import asyncpg
import psutil
import uvloop
from goals import Table

from msaas.embedded import PostgresServer
from msaas.jobs.adapters.postgres.retention import list_retention_rules
from msaas.local.credentials import url_with_credentials
from msaas.local.migrate import migrate
from msaas.postgres import Batch, Database, PostgresConfig, Retention, RetentionCount
from msaas.telemetry import Metrics, configure_logging

LONGEST_LOCK = 0.25
LARGEST_GROWTH_MB = 64.0
CHUNK = 50_000
PROBE_PAUSE = 0.02
PASSWORD = "bench"  # noqa: S105  # a server that lives for this run
USERS = """
WITH users AS (
  INSERT INTO identity.users (id, email)
  SELECT id, id || '@example.com' FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, 300))
  RETURNING id
)
INSERT INTO jobs.subjects (subject_id, user_id, plan, period_start, period_end)
SELECT gen_random_uuid(), id, (ARRAY['FREE', 'PRO', 'ENTERPRISE'])[1 + row_number() OVER () % 3],
  now(), now() + interval '1 month' FROM users
"""
# Each of them is due under every plan; every tenth has an idempotency key.
JOBS = """
WITH users AS (SELECT array_agg(user_id) AS ids FROM jobs.subjects),
made AS (
  INSERT INTO jobs.jobs (
    id, user_id, task_type, status, payload, result, max_attempts, correlation_id, source, billable,
    created_at, finished_at, idempotency_key, idempotency_item, idempotency_fingerprint
  )
  SELECT gen_random_uuid(), ids[1 + n % 300], 'echo', 'COMPLETED',
    jsonb_build_object('message', repeat('hello ', 40)), '{"message": "hello"}', 3, 'bench', 'api',
    true, at, at, CASE WHEN n % 10 = 0 THEN n::text END, CASE WHEN n % 10 = 0 THEN 0 END,
    CASE WHEN n % 10 = 0 THEN '\\x00'::bytea END
  FROM users, LATERAL (
    SELECT n, now() - interval '91 days' - n * interval '10 seconds' AS at
    FROM generate_series($1::int, $2::int) AS n
  ) AS numbered
  RETURNING id, finished_at
)
INSERT INTO jobs.job_attempts (job_id, fence, attempt, dispatched_at, outcome, timings_ms)
SELECT id, gen_random_uuid(), 0, finished_at, 'succeeded', '{"open": 12, "read": 34}' FROM made
"""
DISK = "SELECT pg_size_pretty(pg_database_size(current_database()))"


@dataclass
class Measured:
    """The batches of each class, and the largest resident memory."""

    batches: list[Batch] = field(default_factory=list[Batch])
    peak: float = 0.0
    longest_wait: float = 0.0

    def observe(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.peak = max(self.peak, resident_mb())


def resident_mb() -> float:
    return psutil.Process().memory_info().rss / 1e6


async def fill(admin: asyncpg.Connection, jobs: int) -> list[UUID]:
    """Insert the jobs unless the database has them, and return some of their ids."""
    await admin.execute(f"ALTER ROLE svc_jobs PASSWORD '{PASSWORD}'")
    if not await admin.fetchval("SELECT EXISTS (SELECT FROM jobs.jobs)"):
        await admin.execute(USERS)
        for first in range(1, jobs + 1, CHUNK):
            await admin.execute(JOBS, first, min(jobs, first + CHUNK - 1))
        await admin.execute("VACUUM ANALYZE")
    rows = await admin.fetch("SELECT id FROM jobs.jobs ORDER BY id LIMIT 10000")
    return [row["id"] for row in rows]


@asynccontextmanager
async def probing(url: str, ids: Sequence[UUID], measured: Measured) -> AsyncGenerator[None]:
    """Lock one row after the other as a request would, and measure the longest wait."""
    connection = await asyncpg.connect(url)

    async def probe() -> None:
        while True:
            started = time.perf_counter()
            lock = "SELECT FROM jobs.jobs WHERE id = $1 FOR UPDATE"
            await connection.execute(lock, random.choice(ids))  # noqa: S311  # not a secret
            measured.longest_wait = max(measured.longest_wait, time.perf_counter() - started)
            await asyncio.sleep(PROBE_PAUSE)

    task = asyncio.create_task(probe())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    connection.terminate()


async def measure(url: str, jobs: int) -> list[str]:
    admin = await asyncpg.connect(url, command_timeout=600)
    ids = await fill(admin, jobs)
    print(f"{jobs:,} old jobs, {await admin.fetchval(DISK)}", flush=True)
    login = url_with_credentials(url, "svc_jobs", PASSWORD)
    table, measured = Table(), Measured()
    metrics = Metrics("jobs", "bench")
    async with Database(PostgresConfig(login, max_size=2), metrics) as database:
        retention = Retention("jobs", database, list_retention_rules(None), metrics)
        started = time.perf_counter()
        due = {count.data_class: count.rows for count in await retention.plan()}
        table.row("plan", f"{sum(due.values()):,} due", f"{time.perf_counter() - started:.1f} s")
        before = measured.peak = resident_mb()
        async with probing(url, ids, measured):
            counts = await run(retention, measured, table)
    print_goals(table, measured, before)
    await admin.close()
    return [
        *table.missed,
        *(f"{count.data_class} is complete" for count in counts if count.has_failed),
    ]


async def run(retention: Retention, measured: Measured, table: Table) -> Sequence[RetentionCount]:
    table.row("", "rows", "rows/s", "batches", "longest lock")
    started = time.perf_counter()
    counts: list[RetentionCount] = []
    for rule in retention.rules:
        first, begun = len(measured.batches), time.perf_counter()
        one = Retention("jobs", retention.database, [rule], Metrics("jobs", "bench"))
        [count] = await one.run(measured.observe)
        batches, took = measured.batches[first:], time.perf_counter() - begun
        longest = max(batch.seconds for batch in batches)
        cells = (f"{count.rows:,}", f"{count.rows / took:,.0f}", f"{len(batches):,}")
        table.row(rule.name, *cells, f"{longest * 1e3:.0f} ms")
        counts.append(count)
    table.row("whole pass", f"{time.perf_counter() - started:.0f} s")
    return counts


def print_goals(table: Table, measured: Measured, before: float) -> None:
    longest = max(batch.seconds for batch in measured.batches)
    growth = measured.peak - before
    table.goal(
        "longest lock",
        f"{longest * 1e3:.0f} ms",
        goal=f"≤ {LONGEST_LOCK * 1e3:.0f} ms",
        met=longest <= LONGEST_LOCK,
    )
    table.goal(
        "memory, peak and growth",
        f"{measured.peak:.0f} MB",
        f"{growth:.0f} MB",
        goal=f"≤ {LARGEST_GROWTH_MB:.0f} MB",
        met=growth <= LARGEST_GROWTH_MB,
    )
    table.row("longest wait of another session", f"{measured.longest_wait * 1e3:.0f} ms")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="stores the database, filled the first time")
    given = parser.parse_args()
    configure_logging("bench", "local", level="ERROR", stream=sys.stderr.buffer)
    if given.folder:
        return measure_server(given.folder, given.jobs)
    with tempfile.TemporaryDirectory(prefix="msaas-retention-") as folder:
        Path(folder).chmod(0o711)  # the server's own user enters it
        return measure_server(Path(folder), given.jobs)


def measure_server(folder: Path, jobs: int) -> int:
    server = PostgresServer(folder / "postgres")
    server.start(timeout=60)
    try:
        migrate(server.url)
        missed = uvloop.run(measure(server.url, jobs))
    finally:
        server.stop()
    print(f"goals missed: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
