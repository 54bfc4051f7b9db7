"""Jobs from accepted to told, beside queues that keep no record, in one interleaved run.

The budget is cores: all that a contender runs, its servers with it, is pinned to the same ones.
Ours is one `jobs`, one worker, Postgres and Redis, every step durable; each rival is one worker
process on the same Redis. Every round measures each contender once, so that a slow machine slows
all; the rate is the median, and CPU a job says what it cost whatever the cores.
Exits with 1 when a goal is missed.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from goals import Table, measure_fleet
from jobs_stage import ALL_BUT_SERVERS, OURS, PARTS, Drained, Stage

from msaas.cli.api_client import ApiClient
from msaas.cli.chaos import be_somebody
from msaas.cli.chaos.own_fleet import OwnFleet
from msaas.jobs.adapters.postgres.results import PostgresResults
from msaas.jobs.application.persist_results import PersistResults
from msaas.jobs.domain.reports import RunKey, RunReport, Success
from msaas.jobs.domain.settling import Rules
from msaas.local.kept_secrets import keep_secret
from msaas.local.redis_users import url_as
from msaas.postgres import Database, PostgresSetting
from msaas.telemetry import Metrics, configure_logging

RIVALS = {"arq": 0.1, "taskiq-redis": 0.5, "celery": 0.2, "dramatiq": 0.5}
"""Of the jobs that ours drains: enough to measure, and the run ends."""
OURS_IS = "ours, durable"
CONNECTIONS = 20
BATCH = 200
MOST_WAIT = 1.0
LEAST_BATCHED = 10.0
GROWTH = 1.1
WAITED = """
SELECT extract(epoch FROM min(a.started_at) - j.created_at)::float8
FROM jobs.jobs j JOIN jobs.job_attempts a ON a.job_id = j.id
WHERE j.id = $1 AND a.started_at IS NOT NULL GROUP BY j.id
"""
LEFT = "SELECT count(*) FROM jobs.jobs WHERE finished_at IS NULL"
CLIENTS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
BODY = json.dumps({"task_type": "echo", "params": {"message": "hello"}}).encode()


@dataclass(frozen=True)
class Costs:
    """Resident memory of each part, and connections, when nobody works."""

    rss: dict[str, float]
    postgres: int
    redis: int


class NothingToTakeBack:
    async def withdraw(self, topic: str, entry_ids: Sequence[str]) -> None:
        raise AssertionError(f"nothing of {topic} lies on the wire: {entry_ids}")


def find_rivals() -> dict[str, float]:
    """Leave out what the environment does not have: tests run in the fleet's own."""
    there = {name: share for name, share in RIVALS.items() if find_spec(name.replace("-", "_"))}
    for name in RIVALS.keys() - there:
        print(f"{name} is not installed here: `./msaas bench jobs` brings it")
    return there


async def compare_drains(stage: Stage, table: Table, jobs: int, rounds: int) -> None:
    rivals = find_rivals()
    seen: dict[str, list[Drained]] = {name: [] for name in (OURS_IS, *rivals)}
    for _ in range(rounds):
        seen[OURS_IS].append(await stage.drain(jobs))
        with stage.asleep(*ALL_BUT_SERVERS):
            for name, share in rivals.items():
                count = max(100, round(jobs * share / 50) * 50)
                seen[name].append(await stage.drain_rival(name, count))
    rates = {name: statistics.median(one.rate for one in found) for name, found in seen.items()}
    fastest = max(rates[name] for name in rivals or [OURS_IS])
    table.row("drain, accepted → told", "jobs/s", "of the fastest", "CPU a job")
    for name, found in seen.items():
        cpu = statistics.median(one.cpu_us for one in found)
        cells = (f"{rates[name]:,.0f}", f"{rates[name] / fastest:.2f} x", f"{cpu:,.0f} µs")
        if name == OURS_IS:
            table.goal(name, *cells, goal="≥ 1 x", held=rates[name] >= fastest)
        else:
            table.row(name, *cells)


async def persist(stage: Stage, count: int, batch: int) -> float:
    """Settle completions with the handler's own use case, that many at a time."""
    password = keep_secret(stage.fleet.home.secrets, "svc_jobs")
    setting = PostgresSetting(url_as(stage.fleet.url("postgres"), "svc_jobs", password))
    rules = Rules(once=frozenset(), draw=random.random)
    metrics = Metrics("bench", "bench")
    with stage.asleep(*OURS):
        reports = [report_of(run) for run in await stage.fill_begun(count)]
        async with Database(setting, metrics) as database:
            store, wire = PostgresResults(database), NothingToTakeBack()
            settle = PersistResults(
                store, wire, metrics, rules, on_room=lambda: None, on_woken=lambda: None
            )
            began = time.perf_counter()
            for start in range(0, count, batch):
                await settle(reports[start : start + batch], {})
            return count / (time.perf_counter() - began)


def report_of(run: RunKey) -> RunReport:
    now = datetime.now(UTC)
    success = Success(result='{"message": "hello"}', finished_at=now, timings_ms={})
    return RunReport(run=run, worker="bench", started_at=now, success=success)


async def compare_batches(stage: Stage, table: Table, jobs: int, rounds: int) -> None:
    batched: list[float] = []
    single: list[float] = []
    for _ in range(rounds):
        batched.append(await persist(stage, jobs // 2, BATCH))
        single.append(await persist(stage, max(50, jobs // 20), 1))
    many, one = statistics.median(batched), statistics.median(single)
    table.row("completions persisted", "a second")
    table.row("one by one", f"{one:,.0f}")
    ratio = many / one
    table.goal(
        f"in batches of {BATCH}",
        *(f"{many:,.0f}", f"{ratio:.1f} x"),
        goal=f"≥ {LEAST_BATCHED:.0f} x",
        held=ratio >= LEAST_BATCHED,
    )


class Connection:
    """One kept-alive connection with as little of its own cost as asyncio allows."""

    def __init__(self, address: str, token: str) -> None:
        self._address = urlsplit(address)
        head = f"POST /api/v1/jobs HTTP/1.1\r\nhost: {self._address.netloc}\r\n"
        body = f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n"
        self._request = f"{head}authorization: {token}\r\n{body}".encode() + BODY

    async def submit_until(self, end: float) -> int:
        reader, writer = await asyncio.open_connection(self._address.hostname, self._address.port)
        accepted = 0
        while time.perf_counter() < end:
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            fields = head.lower().split(b"\r\n")
            length = next(int(f[15:]) for f in fields if f.startswith(b"content-length:"))
            await reader.readexactly(length)
            accepted += head[9:12] == b"202"
        writer.close()
        return accepted


async def measure_submits(
    stage: Stage, table: Table, users: Sequence[ApiClient], seconds: float
) -> None:
    """Submit while the worker sleeps: what it costs to be accepted, and nothing else."""
    address = stage.fleet.running.gateway_url
    with stage.asleep("jobs-worker"):
        end = time.perf_counter() + seconds
        connections = [
            Connection(address, users[number % len(users)].authorization)
            for number in range(CONNECTIONS)
        ]
        accepted = sum(await asyncio.gather(*(one.submit_until(end) for one in connections)))
    table.row("submitted through HTTP", f"{accepted / seconds:,.0f} jobs/s")
    await stage.until_idle()


async def measure_latency(table: Table, api: ApiClient, count: int) -> None:
    """Submit one after the other, as slowly as nobody waits for another, and watch them live."""
    ended: dict[str, asyncio.Future[float]] = {}
    cursor = (await api.list_jobs(limit=1))["stream_cursor"]
    listening = asyncio.create_task(listen(api, cursor, ended))
    took: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        job_id = (await api.submit("echo", {"message": "hello"}))["id"]
        told = ended.setdefault(job_id, asyncio.get_running_loop().create_future())
        took.append(await asyncio.wait_for(told, 30) - began)
        await asyncio.sleep(0.05)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    cuts = statistics.quantiles(took, n=100)
    table.row(
        "submit → COMPLETED, low load", *(f"p{p} {cuts[p - 1] * 1e3:.1f} ms" for p in (50, 99))
    )


async def listen(api: ApiClient, cursor: str, ended: dict[str, asyncio.Future[float]]) -> None:
    async for event in api.events(cursor):
        if event.name == "job" and event.data["status"] == "COMPLETED":
            loop = asyncio.get_running_loop()
            told = ended.setdefault(event.data["id"], loop.create_future())
            if not told.done():
                told.set_result(time.perf_counter())


async def measure_flood(
    stage: Stage, table: Table, small: ApiClient, size: int, samples: int
) -> None:
    """Put one user's flood before the fleet, and another's jobs behind it."""
    with stage.asleep(*OURS):
        await stage.fill(size, stage.users[:1])
    waits: list[float] = []
    left = size
    while left and len(waits) < samples:
        job_id = UUID((await small.submit("echo", {"message": "small"}))["id"])
        while (waited := await stage.rows.fetchval(WAITED, job_id)) is None:
            await asyncio.sleep(0.01)
        waits.append(max(0.0, waited))
        left = await stage.rows.fetchval(LEFT)
    table.goal(
        f"small user behind {size:,} jobs",
        *(f"p50 {statistics.median(waits) * 1e3:.0f} ms", f"most {max(waits) * 1e3:.0f} ms"),
        f"{left:,} were left",
        goal=f"< {MOST_WAIT:.0f} s",
        held=max(waits) < MOST_WAIT,
    )
    await stage.until_idle()


async def read_costs(stage: Stage) -> Costs:
    rss = {
        name: sum(one.memory_info().rss for one in stage.processes(name)[:1]) / 2**20
        for name in PARTS
    }
    return Costs(rss, await stage.rows.fetchval(CLIENTS), await stage.redis_clients())


async def measure_soak(stage: Stage, table: Table, jobs: int, soak: int) -> None:
    """Work off many jobs; whoever keeps something of each would show it."""
    await stage.drain(min(jobs, soak))
    before = await read_costs(stage)
    for start in range(0, soak, jobs):
        await stage.drain(min(jobs, soak - start))
    after = await read_costs(stage)
    table.row(f"before and after {soak:,} jobs", "before", "after")
    for name in OURS:
        cells = [f"{costs.rss[name]:.1f} MiB" for costs in (before, after)]
        flat = after.rss[name] <= before.rss[name] * GROWTH
        table.goal(f"memory of {name}", *cells, goal="flat", held=flat)
    table.row("memory of redis", *(f"{costs.rss['redis']:.1f} MiB" for costs in (before, after)))
    for name in ("postgres", "redis"):
        was, now = getattr(before, name), getattr(after, name)
        flat = now <= was + 2
        table.goal(f"connections to {name}", str(was), str(now), goal="flat", held=flat)


@asynccontextmanager
async def open_stage(fleet: OwnFleet, cores: Sequence[int]) -> AsyncGenerator[Stage]:
    rows = await asyncpg.connect(fleet.url("postgres"))
    stage = Stage(fleet, rows, cores)
    try:
        await stage.enrol()
        yield stage
    finally:
        await stage.wire.close()
        await rows.close()


async def measure(fleet: OwnFleet, options: Any) -> list[str]:
    table = Table()
    cores = options.cores or sorted(os.sched_getaffinity(0))
    print(f"everything on cores {', '.join(map(str, cores))}; {options.rounds} rounds", flush=True)
    async with open_stage(fleet, cores) as stage, AsyncExitStack() as stack:
        users = [
            await stack.enter_async_context(be_somebody(fleet, "ENTERPRISE")) for _ in range(4)
        ]
        await stage.until_idle()
        await compare_drains(stage, table, options.jobs, options.rounds)
        await compare_batches(stage, table, options.jobs, options.rounds)
        await measure_submits(stage, table, users, options.seconds)
        await measure_latency(table, users[0], options.samples)
        await measure_flood(stage, table, users[1], options.jobs, min(20, options.samples))
        await measure_soak(stage, table, options.jobs, options.soak)
    return table.missed


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="msaas bench jobs", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000, help="of each drain, and of the flood")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--soak", type=int, default=100_000, help="jobs between the two readings")
    parser.add_argument("--samples", type=int, default=200, help="jobs submitted at low load")
    parser.add_argument("--seconds", type=float, default=10, help="of submitting through HTTP")
    parser.add_argument("--cores", type=int, nargs="+", help="the budget; all there are by default")
    configure_logging("bench", "bench", level="ERROR")
    return measure_fleet(measure, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
