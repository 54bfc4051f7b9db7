"""Compares the event stream with sse-starlette for 1,000 listeners, in one interleaved run.

Half of the listeners have a user of their own, the others share a user in groups of 50. The cost of
a delivery is the additional cost of an event for the group, divided by its size. Candidates that
are not measured are suspended. Exits with 1 when a goal is missed.
"""

import asyncio
import statistics
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib.util import find_spec
from uuid import UUID, uuid4

from goals import Table, measure_fleet, parse_options, percentiles
from measured_processes import suspended
from stream_fixtures import Issuer, StreamFixture, StreamServer
from stream_readers import Reader, close_all, open_reader

from msaas.dev.chaos.isolated_fleet import IsolatedFleet
from msaas.local.credentials import LOCAL_ENVIRONMENT
from msaas.streams import RedisBroker, StreamPublisher

OURS, BASELINE = "gateway", "sse-starlette"
SHARED_BY = 50
MAX_P99_MS = 20.0
MAX_KIB = 12.0
MIN_COST_RATIO = 2.0
MAX_GROWTH = 1.1
# Connections to Redis and Postgres, whose number varies with the load.
POOLED = 10
CONCURRENCY = 40
WARM_UP_SECONDS = 0.5
TIMEOUT_SECONDS = 60.0


class ListenerGroup:
    """The listeners of one server."""

    def __init__(self, server: StreamServer, count: int) -> None:
        self.server = server
        self.single_users = [uuid4() for _ in range(count // 2)]
        self.shared_users = [uuid4() for _ in range(count // 2 // SHARED_BY)]
        self.readers: list[Reader] = []
        self.delays: list[float] = []
        self.sent: dict[str, float] = {}

    @property
    def users(self) -> list[UUID]:
        """Return the user of each listener."""
        return self.single_users + self.shared_users * SHARED_BY

    def on_job(self, job_id: str, now: float) -> None:
        self.delays.append(now - self.sent[job_id])

    async def close(self) -> None:
        await close_all(self.readers)

    async def connect_all(self) -> None:
        self.readers = await self.open(self.users)

    async def open(self, users: Sequence[UUID]) -> list[Reader]:
        readers: list[Reader] = []
        for start in range(0, len(users), CONCURRENCY):
            some = users[start : start + CONCURRENCY]
            readers += await asyncio.gather(*(self._open(user) for user in some))
        return readers

    async def _open(self, user: UUID) -> Reader:
        server = self.server
        return await open_reader(server.host, server.port, server.build_request(user), self.on_job)

    async def churn(self, count: int) -> None:
        """Open and close `count` connections, so that the server has cached all users."""
        users = self.single_users + self.shared_users
        for start in range(0, count, CONCURRENCY):
            some = [users[(start + n) % len(users)] for n in range(min(CONCURRENCY, count - start))]
            await close_all(await self.open(some))


async def run_round(
    fixture: StreamFixture,
    group: ListenerGroup,
    users: Sequence[UUID],
    expected: int,
    options: Namespace,
) -> tuple[list[float], float]:
    """Publish events at a steady rate; return each delay, and the CPU seconds of an event."""
    await asyncio.sleep(WARM_UP_SECONDS)  # the server catches up after its suspension
    group.delays, group.sent = [], {}
    events = round(options.seconds * options.rate)
    before = group.server.cpu()
    await fixture.publish_events(users, events, 1 / options.rate, group.sent)
    deadline = time.perf_counter() + TIMEOUT_SECONDS
    while len(group.delays) < events * expected:
        await asyncio.sleep(0.01)
        if time.perf_counter() > deadline:
            delivered = f"{len(group.delays):,} of {events * expected:,}"
            raise TimeoutError(f"{group.server.name} delivered {delivered}")
    return group.delays, (group.server.cpu() - before) / events


async def compare(
    fixture: StreamFixture,
    table: Table,
    groups: Sequence[ListenerGroup],
    options: Namespace,
) -> None:
    seconds: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    for _ in range(options.repetitions):
        for group in groups:
            others = [other.server.process for other in groups if other is not group]
            with suspended(others):
                for kind, users, listeners in (
                    ("alone", group.single_users, 1),
                    ("shared", group.shared_users, SHARED_BY),
                ):
                    delays, cpu_seconds = await run_round(fixture, group, users, listeners, options)
                    key = f"{group.server.name}, {kind}"
                    seconds.setdefault(key, []).extend(delays)
                    cpu.setdefault(key, []).append(cpu_seconds)
    show_events(table, seconds, {key: statistics.median(found) for key, found in cpu.items()})


def show_events(table: Table, seconds: dict[str, list[float]], cpu: dict[str, float]) -> None:
    table.row("event → listener", "p50", "p99", "CPU an event")
    for key, found in seconds.items():
        p50, _, p99 = percentiles(found)
        cells = (f"{p50:.2f} ms", f"{p99:.2f} ms", f"{cpu[key] * 1e6:.0f} µs")
        if key == f"{OURS}, alone":
            table.goal(key, *cells, goal=f"< {MAX_P99_MS:.0f} ms", met=p99 < MAX_P99_MS)
        else:
            table.row(key, *cells)
    table.row("each further delivery", "CPU")
    each = {
        name: (cpu[f"{name}, shared"] - cpu[f"{name}, alone"]) / (SHARED_BY - 1)
        for name in (OURS, BASELINE)
        if f"{name}, shared" in cpu
    }
    for name, spent in each.items():
        table.row(name, f"{spent * 1e6:.1f} µs")
    if BASELINE in each:
        ratio = each[BASELINE] / each[OURS]
        goal, is_met = f"≥ {MIN_COST_RATIO:.0f} x", ratio >= MIN_COST_RATIO
        table.goal("cheaper than sse-starlette", f"{ratio:.1f} x", goal=goal, met=is_met)


async def measure_connection_memory(table: Table, group: ListenerGroup) -> None:
    """Measure the memory of a connection; users and tokens are cached before."""
    await group.churn(2 * len(group.single_users + group.shared_users))
    server = group.server
    before = server.memory()
    await group.connect_all()
    kib = (server.memory() - before) / len(group.readers) / 1024
    name, cells = f"a connection of {server.name}", (f"{kib:.1f} KiB",)
    if server.name == OURS:
        table.goal(name, *cells, goal=f"≤ {MAX_KIB:.0f} KiB", met=kib <= MAX_KIB)
    else:
        table.row(name, *cells)


async def soak(table: Table, group: ListenerGroup, count: int) -> None:
    """Open and close many connections and compare resources before and after, to find leaks."""
    await group.churn(min(count, 2_000))
    before = await group.server.leftover_resources()
    await group.churn(count)
    after = await group.server.leftover_resources()
    table.row(f"before and after {count:,} connections", "before", "after")
    slack = {"MiB": before["MiB"] * MAX_GROWTH, "open files": before["open files"] + POOLED}
    table.leaks(before, after, {**before, **slack})


async def measure(fleet: IsolatedFleet, options: Namespace) -> list[str]:
    table = Table()
    async with AsyncExitStack() as stack:
        broker = RedisBroker(fleet.url("redis"), command_timeout=10)
        stack.push_async_callback(broker.close)
        publisher = StreamPublisher(broker, "jobs", LOCAL_ENVIRONMENT)
        stack.push_async_callback(publisher.close)
        fixture = StreamFixture(fleet, publisher)
        names = [OURS, BASELINE] if find_spec("sse_starlette") else [OURS]
        if BASELINE not in names:
            print("sse-starlette is not installed: run `./msaas bench sse`")
        issuer = await stack.enter_async_context(Issuer.serving())
        servers = [
            await stack.enter_async_context(
                fixture.gateway(OURS, issuer) if name == OURS else fixture.baseline(BASELINE)
            )
            for name in names
        ]
        groups = [ListenerGroup(server, options.listeners) for server in servers]
        for group in groups:
            stack.push_async_callback(group.close)
            await measure_connection_memory(table, group)
        await compare(fixture, table, groups, options)
        await close_all(groups[0].readers)
        await soak(table, groups[0], options.churn)
    return table.missed


def main() -> int:
    defaults = {
        "listeners": (1_000, f"at least {2 * SHARED_BY}"),
        "repetitions": (3, "measurements of each server"),
        "rate": (100.0, "events a second"),
        "seconds": (5.0, "of each repetition and kind of user"),
        "churn": (50_000, "connections to open and close"),
    }
    options = parse_options("sse", __doc__, defaults)
    if options.listeners < 2 * SHARED_BY:
        raise SystemExit(f"at least {2 * SHARED_BY} listeners are needed")
    return measure_fleet(measure, options)


if __name__ == "__main__":
    sys.exit(main())
