"""Compares the jobs service with queues that have no database, in one interleaved run.

All processes of a candidate, including its servers, are pinned to the same cores. This project runs
one `jobs`, one worker, Postgres and Redis, with every step durable; each baseline is one worker
process on the same Redis. Every round measures each candidate once; the rate is the median.
Exits with 1 when a goal is missed.
"""

import asyncio
import json
import os
import random
import statistics
import sys
import time
from argparse import Namespace
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from itertools import cycle, islice
from uuid import UUID

import asyncpg
from api_load import HttpConnection, LoadRequest
from goals import Table, address_of, measure_fleet, parse_options, percentiles
from jobs_fixtures import ALL_BUT_SERVERS, JOBS_PARTS, DrainResult, JobsFixture

from msaas.dev.chaos import sign_in_new_user
from msaas.dev.chaos.isolated_fleet import IsolatedFleet
from msaas.jobs.adapters.postgres.results import PostgresResults
from msaas.jobs.adapters.postgres.store import PostgresStore
from msaas.jobs.application.persist_results import PersistResults
from msaas.jobs.domain.reports import RunKey, RunReport, RunSuccess
from msaas.jobs.domain.settlement import SettlementRules
from msaas.local.api_client import ApiClient
from msaas.local.credentials import get_or_create_secret, url_with_credentials
from msaas.postgres import Database, PostgresConfig
from msaas.telemetry import Metrics, configure_logging

BASELINES = {"arq": 0.1, "taskiq-redis": 0.5, "celery": 0.2, "dramatiq": 0.5}
"""The share of the jobs that each baseline drains."""
DURABLE = "ours, durable"
CONNECTIONS = 20
BATCH = 200
MAX_WAIT = 1.0
MIN_BATCH_RATIO = 10.0
MAX_GROWTH = 1.1
SELECT_WAIT = """
SELECT extract(epoch FROM min(a.started_at) - j.created_at)::float8
FROM jobs.jobs j JOIN jobs.job_attempts a ON a.job_id = j.id
WHERE j.id = $1 AND a.started_at IS NOT NULL GROUP BY j.id
"""
COUNT_UNFINISHED = "SELECT count(*) FROM jobs.jobs WHERE finished_at IS NULL"
CLIENTS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
BODY = json.dumps({"task_type": "echo", "params": {"message": "hello"}}).encode()
ACCEPTED = 202
SUBMISSION = LoadRequest("POST /jobs", "POST", "/jobs", BODY)


class NoPendingEntries:
    async def withdraw(self, topic: str, entry_ids: Sequence[str]) -> None:
        raise AssertionError(f"{topic} has no pending entries: {entry_ids}")

    async def find_entries(self, topic: str, entry_ids: Sequence[str]) -> frozenset[str]:
        raise AssertionError(f"no entry of {topic} is looked up: {entry_ids}")

    async def mark_cancelled(self, job_ids: Iterable[UUID], ttl: timedelta) -> None:
        raise AssertionError(f"no job is marked: {job_ids} {ttl}")


def find_baselines() -> dict[str, float]:
    """Return the baselines that are installed."""
    installed = {
        name: share for name, share in BASELINES.items() if find_spec(name.replace("-", "_"))
    }
    for name in BASELINES.keys() - installed.keys():
        print(f"{name} is not installed: run `./msaas bench jobs`")
    return installed


async def compare_drains(fixture: JobsFixture, table: Table, jobs: int, repetitions: int) -> None:
    baselines = find_baselines()
    results: dict[str, list[DrainResult]] = {name: [] for name in (DURABLE, *baselines)}
    for _ in range(repetitions):
        results[DURABLE].append(await fixture.drain(jobs))
        with fixture.suspended(*ALL_BUT_SERVERS):
            for name, share in baselines.items():
                count = max(100, round(jobs * share / 50) * 50)
                results[name].append(await fixture.drain_baseline(name, count))
    rates = {
        name: statistics.median(result.rate for result in found) for name, found in results.items()
    }
    fastest = max(rates[name] for name in baselines or [DURABLE])
    table.row("drain, accepted → event", "jobs/s", "of the fastest", "CPU a job")
    for name, found in results.items():
        cpu = statistics.median(result.cpu_us for result in found)
        cells = (f"{rates[name]:,.0f}", f"{rates[name] / fastest:.2f} x", f"{cpu:,.0f} µs")
        if name == DURABLE:
            table.goal(name, *cells, goal="≥ 1 x", met=rates[name] >= fastest)
        else:
            table.row(name, *cells)


async def persist(fixture: JobsFixture, count: int, batch: int) -> float:
    """Persist completions with the use case of the message handler, `batch` at a time."""
    password = get_or_create_secret(fixture.fleet.home.secrets, "svc_jobs")
    setting = PostgresConfig(
        url_with_credentials(fixture.fleet.url("postgres"), "svc_jobs", password)
    )
    rules = SettlementRules(once=frozenset(), jitter=random.random)
    metrics = Metrics("bench", "bench")
    with fixture.suspended(*JOBS_PARTS):
        reports = [build_report(run) for run in await fixture.fill_dispatched(count)]
        async with Database(setting, metrics) as database:
            store, broker = PostgresStore(database, PostgresResults), NoPendingEntries()
            persist_results = PersistResults(
                store, broker, metrics, rules, on_slot_freed=lambda: None, on_woken=lambda: None
            )
            began = time.perf_counter()
            for start in range(0, count, batch):
                await persist_results(reports[start : start + batch], {})
            return count / (time.perf_counter() - began)


def build_report(run: RunKey) -> RunReport:
    now = datetime.now(UTC)
    success = RunSuccess(result='{"message": "hello"}', finished_at=now, timings_ms={})
    return RunReport(run=run, worker="bench", started_at=now, success=success)


async def compare_batches(fixture: JobsFixture, table: Table, jobs: int, repetitions: int) -> None:
    batched: list[float] = []
    single: list[float] = []
    for _ in range(repetitions):
        batched.append(await persist(fixture, jobs // 2, BATCH))
        single.append(await persist(fixture, max(50, jobs // 20), 1))
    batch_rate, single_rate = statistics.median(batched), statistics.median(single)
    table.row("completions persisted", "a second")
    table.row("one by one", f"{single_rate:,.0f}")
    ratio = batch_rate / single_rate
    table.goal(
        f"in batches of {BATCH}",
        *(f"{batch_rate:,.0f}", f"{ratio:.1f} x"),
        goal=f"≥ {MIN_BATCH_RATIO:.0f} x",
        met=ratio >= MIN_BATCH_RATIO,
    )


async def measure_submits(
    fixture: JobsFixture, table: Table, users: Sequence[ApiClient], seconds: float
) -> None:
    """Submit while the worker is suspended, to measure acceptance alone."""
    host, port = address_of(fixture.fleet)
    with fixture.suspended("jobs-worker"):
        end = time.perf_counter() + seconds

        async def submit(connection: HttpConnection) -> int:
            accepted = 0
            while time.perf_counter() < end:
                accepted += (await connection.send(SUBMISSION)).status == ACCEPTED
            connection.close()
            return accepted

        connections = [
            HttpConnection(host, port, user.authorization)
            for user in islice(cycle(users), CONNECTIONS)
        ]
        accepted = sum(await asyncio.gather(*map(submit, connections)))
    table.row("submitted through HTTP", f"{accepted / seconds:,.0f} jobs/s")
    await fixture.until_idle()


async def measure_latency(table: Table, api: ApiClient, count: int) -> None:
    """Submit jobs one at a time and measure until the event stream shows their completion."""
    ended: dict[str, asyncio.Future[float]] = {}
    cursor = (await api.list_jobs(limit=1))["stream_cursor"]
    listening = asyncio.create_task(listen(api, cursor, ended))
    seconds: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        job_id = (await api.submit("echo", {"message": "hello"}))["id"]
        completed = ended.setdefault(job_id, asyncio.get_running_loop().create_future())
        seconds.append(await asyncio.wait_for(completed, 30) - began)
        await asyncio.sleep(0.05)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    p50, _, p99 = percentiles(seconds)
    table.row("submit → COMPLETED, low load", f"p50 {p50:.1f} ms", f"p99 {p99:.1f} ms")


async def listen(api: ApiClient, cursor: str, ended: dict[str, asyncio.Future[float]]) -> None:
    async for event in api.events(cursor):
        if event.name == "job" and event.data["status"] == "COMPLETED":
            loop = asyncio.get_running_loop()
            completed = ended.setdefault(event.data["id"], loop.create_future())
            if not completed.done():
                completed.set_result(time.perf_counter())


async def measure_flood(
    fixture: JobsFixture, table: Table, small: ApiClient, size: int, samples: int
) -> None:
    """Queue many jobs of one user, then measure how long another user's jobs wait."""
    with fixture.suspended(*JOBS_PARTS):
        await fixture.fill(size, fixture.users[:1])
    waits: list[float] = []
    left = size
    while left and len(waits) < samples:
        job_id = UUID((await small.submit("echo", {"message": "small"}))["id"])
        while (waited := await fixture.rows.fetchval(SELECT_WAIT, job_id)) is None:
            await asyncio.sleep(0.01)
        waits.append(max(0.0, waited))
        left = await fixture.rows.fetchval(COUNT_UNFINISHED)
    table.goal(
        f"small user behind {size:,} jobs",
        *(f"p50 {statistics.median(waits) * 1e3:.0f} ms", f"most {max(waits) * 1e3:.0f} ms"),
        f"{left:,} left",
        goal=f"< {MAX_WAIT:.0f} s",
        met=max(waits) < MAX_WAIT,
    )
    await fixture.until_idle()


async def read_usage(fixture: JobsFixture) -> dict[str, float]:
    """Return MiB of resident memory, and the connections, on an idle fleet."""
    memory = {
        f"memory of {name}": fixture.processes(name)[0].memory_info().rss / 2**20
        for name in (*JOBS_PARTS, "redis")
    }
    return {
        **memory,
        "connections to postgres": await fixture.rows.fetchval(CLIENTS),
        "connections to redis": await fixture.redis_clients(),
    }


async def measure_soak(fixture: JobsFixture, table: Table, jobs: int, soak: int) -> None:
    """Run many jobs and compare resources before and after, to find leaks."""
    await fixture.drain(min(jobs, soak))
    before = await read_usage(fixture)
    for start in range(0, soak, jobs):
        await fixture.drain(min(jobs, soak - start))
    after = await read_usage(fixture)
    table.row(f"before and after {soak:,} jobs", "before", "after")
    memory = {f"memory of {name}": before[f"memory of {name}"] * MAX_GROWTH for name in JOBS_PARTS}
    connections = {name: before[name] + 2 for name in before if name.startswith("connections")}
    table.leaks(before, after, memory | connections)


async def measure(fleet: IsolatedFleet, options: Namespace) -> list[str]:
    table = Table()
    cores = [int(core) for core in options.cores.split(",") if core] or sorted(
        os.sched_getaffinity(0)
    )
    print(
        f"all processes on cores {', '.join(map(str, cores))}; {options.repetitions} repetitions",
        flush=True,
    )
    async with AsyncExitStack() as stack:
        rows = await asyncpg.connect(fleet.url("postgres"))
        stack.push_async_callback(rows.close)
        fixture = JobsFixture(fleet, rows, cores)
        stack.push_async_callback(fixture.broker.close)
        await fixture.create_users()
        users = [
            await stack.enter_async_context(sign_in_new_user(fleet, "ENTERPRISE")) for _ in range(4)
        ]
        await fixture.until_idle()
        await compare_drains(fixture, table, options.jobs, options.repetitions)
        await compare_batches(fixture, table, options.jobs, options.repetitions)
        await measure_submits(fixture, table, users, options.seconds)
        await measure_latency(table, users[0], options.samples)
        await measure_flood(fixture, table, users[1], options.jobs, min(20, options.samples))
        await measure_soak(fixture, table, options.jobs, options.soak)
    return table.missed


def main() -> int:
    defaults = {
        "jobs": (10_000, "jobs of each drain and of the flood"),
        "repetitions": (3, "measurements of each candidate"),
        "soak": (100_000, "jobs between the two measurements"),
        "samples": (200, "jobs submitted at low load"),
        "seconds": (10.0, "duration of the HTTP submissions"),
        "cores": ("", "cores to use, like 0,1; all by default"),
    }
    configure_logging("bench", "bench", level="ERROR")
    return measure_fleet(measure, parse_options("jobs", __doc__, defaults))


if __name__ == "__main__":
    sys.exit(main())
