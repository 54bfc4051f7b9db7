"""Fixtures of the jobs benchmark: a fleet on chosen cores, and baselines on the same cores."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import psutil
from baselines import run_baseline
from goals import get_pid
from measured_processes import list_family, pin, suspended
from redis.asyncio import Redis

from msaas.contracts import JobChanged, decode, get_topic
from msaas.dev.chaos import IsolatedFleet
from msaas.jobs.domain.reports import RunKey
from msaas.kernel import new_id
from msaas.local.credentials import LOCAL_ENVIRONMENT
from msaas.messaging import RedisBroker

USERS = 120
JOBS_PARTS = ("jobs", "jobs-worker")
PARTS = (*JOBS_PARTS, "redis", "postgres")
NOT_MEASURED = ("gateway", "identity", "browser-worker", "demo-site")
ALL_BUT_SERVERS = (*NOT_MEASURED, *JOBS_PARTS)
TERMINAL_STATUSES = {"COMPLETED", "FAILED", "CANCELLED"}
EVENTS = get_topic("jobs.events")

# The rows that intake writes; with `fences`, those that dispatch writes.
FILL = """
WITH inserted AS (
  INSERT INTO jobs.jobs (
    id, user_id, task_type, payload, max_attempts, correlation_id, source, billable,
    usage_period, reserved, dispatched_at, fence
  )
  SELECT input.id, user_id, 'echo', '{"message": "hello"}', 3, 'bench', 'api', true,
    period_start, true, CASE WHEN fence IS NOT NULL THEN now() END, fence
  FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS input (id, user_id, fence)
  JOIN jobs.subjects USING (user_id) RETURNING id, user_id, fence
),
attempted AS (
  INSERT INTO jobs.job_attempts (job_id, fence, attempt)
  SELECT id, fence, 0 FROM inserted WHERE fence IS NOT NULL
)
UPDATE jobs.usage_counters c SET jobs_reserved = jobs_reserved + reserved
FROM (SELECT user_id, count(*) AS reserved FROM inserted GROUP BY 1) AS i
WHERE c.user_id = i.user_id
"""
CREATE_USERS = """
WITH users AS (
  INSERT INTO identity.users (id, email) SELECT id, id || '@example.com'
  FROM unnest($1::uuid[]) AS id RETURNING id
),
subjects AS (
  INSERT INTO jobs.subjects (subject_id, user_id, plan, period_start, period_end)
  SELECT gen_random_uuid(), id, 'ENTERPRISE', date_trunc('month', now()), now() + '1 year'
  FROM unnest($1::uuid[]) AS id RETURNING *
)
INSERT INTO jobs.usage_counters (id, user_id, subject_id, plan, period_start, period_end)
SELECT gen_random_uuid(), user_id, subject_id, plan, period_start, period_end FROM subjects
"""
HAS_UNFINISHED_JOBS = "SELECT EXISTS (SELECT FROM jobs.jobs WHERE finished_at IS NULL)"


@dataclass(frozen=True)
class DrainResult:
    rate: float
    cpu_us: float


class JobsFixture:
    """A fleet on chosen cores: adds jobs, suspends parts and measures CPU."""

    def __init__(
        self, fleet: IsolatedFleet, rows: asyncpg.Connection, cores: Sequence[int]
    ) -> None:
        self.fleet, self.rows, self.cores = fleet, rows, cores
        self.users: list[UUID] = []
        self.broker = RedisBroker(fleet.url("redis"), command_timeout=10)

    def processes(self, *names: str) -> list[psutil.Process]:
        return [process for name in names for process in list_family(get_pid(self.fleet, name))]

    def cpu(self, *names: str) -> float:
        times = [process.cpu_times() for process in self.processes(*names)]
        return sum(time.user + time.system for time in times)

    async def create_users(self) -> None:
        self.users = [uuid4() for _ in range(USERS)]
        await self.rows.execute(CREATE_USERS, self.users)

    async def fill(self, count: int, users: Sequence[UUID]) -> None:
        await self._fill([(new_id(), None) for _ in range(count)], users)

    async def fill_dispatched(self, count: int) -> list[RunKey]:
        """Insert jobs that are already dispatched."""
        runs = [RunKey(new_id(), uuid4()) for _ in range(count)]
        await self._fill(runs, self.users)
        return runs

    async def _fill(self, runs: Sequence[tuple[UUID, UUID | None]], users: Sequence[UUID]) -> None:
        owners = [users[number % len(users)] for number in range(len(runs))]
        for start in range(0, len(runs), 1_000):
            ids, fences = zip(*runs[start : start + 1_000], strict=True)
            await self.rows.execute(FILL, ids, owners[start : start + 1_000], fences)
        await self.rows.execute("ANALYZE jobs.jobs, jobs.job_attempts")

    async def redis_clients(self) -> int:
        async with cast("Any", Redis).from_url(self.fleet.url("redis")) as client:
            return (await client.info("clients"))["connected_clients"]

    async def until_idle(self) -> None:
        while await self.rows.fetchval(HAS_UNFINISHED_JOBS):
            await asyncio.sleep(0.1)

    async def drain(self, count: int) -> DrainResult:
        """Insert jobs while the service is suspended; measure until their last event."""
        with self.suspended(*NOT_MEASURED):
            with self.suspended(*JOBS_PARTS):
                await self.fill(count, self.users)
                pin(self.processes(*PARTS), self.cores)
                before = self.cpu(*PARTS)
                started_ms = await self.broker.now_ms()
            await self.until_idle()
            await asyncio.sleep(0.2)  # the last batch is committed but not yet published
            cpu = self.cpu(*PARTS) - before
        ended = await self._read_last_completion(started_ms, count)
        return DrainResult(count / (ended - started_ms) * 1e3, cpu / count * 1e6)

    async def _read_last_completion(self, since_ms: int, count: int) -> int:
        """Read when the last terminal event was published, by the clock of Redis."""
        [key] = EVENTS.keys(LOCAL_ENVIRONMENT)
        position, ended, last = f"{since_ms}-0", set[UUID](), since_ms
        while len(ended) < count:
            found = await self.broker.tail({key: position}, 1_000, 1.0)
            for raw in found.get(key, ()):
                message = decode(EVENTS, raw.fields).message
                position = raw.entry_id
                if isinstance(message, JobChanged) and message.frame.status in TERMINAL_STATUSES:
                    ended.add(message.frame.id)
                    last = int(position.partition("-")[0])
        return last

    async def drain_baseline(self, name: str, count: int) -> DrainResult:
        """Measure a baseline on the same cores, with only Redis running."""
        url = urlsplit(self.fleet.url("redis"))._replace(path="/1").geturl()
        async with cast("Any", Redis).from_url(url) as client:
            await client.flushdb()
        await run_baseline("fill", name, url, count, self.cores)
        before = self.cpu("redis")
        report = await run_baseline("work", name, url, count, self.cores)
        spent = self.cpu("redis") - before + report["cpu"]
        return DrainResult(count / report["seconds"], spent / count * 1e6)

    def suspended(self, *names: str) -> AbstractContextManager[None]:
        return suspended(self.processes(*names))
