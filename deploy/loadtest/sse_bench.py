"""The live stream before a thousand listeners, beside sse-starlette in one interleaved run.

Half of the listeners are their users' only ones, the others share a user by fifties: what an event
costs more for the fifty, divided, is what a delivery costs. Rounds take turns, and who is not
measured sleeps. Exits with 1 when a goal is missed.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from typing import Any
from uuid import UUID, uuid4

from goals import Table, measure_fleet
from stream_fixtures import Issuer, StreamFixture, StreamServer, open_fixture
from stream_readers import Reader, close_all, open_reader

from msaas.dev.chaos.isolated_fleet import IsolatedFleet

OURS, BASELINE = "gateway", "sse-starlette"
SHARED_BY = 50
MAX_P99_MS = 20.0
MAX_KIB = 12.0
MIN_COST_RATIO = 2.0
MAX_GROWTH = 1.1
# Connections to the servers, which come and go with the work.
POOLED = 10
CONCURRENCY = 40
WARM_UP_SECONDS = 0.5
TIMEOUT_SECONDS = 60.0


class ListenerGroup:
    """Those who listen to one contender."""

    def __init__(self, server: StreamServer, count: int) -> None:
        self.server = server
        self.single_users = [uuid4() for _ in range(count // 2)]
        self.shared_users = [uuid4() for _ in range(count // 2 // SHARED_BY)]
        self.readers: list[Reader] = []
        self.shown: list[float] = []
        self.sent: dict[str, float] = {}

    @property
    def users(self) -> list[UUID]:
        """Name the user of each listener."""
        return self.single_users + self.shared_users * SHARED_BY

    def on_job(self, job_id: str, now: float) -> None:
        self.shown.append(now - self.sent[job_id])

    async def connect_all(self) -> None:
        self.readers = await self.open(self.users)

    async def open(self, users: Sequence[UUID]) -> list[Reader]:
        readers: list[Reader] = []
        for start in range(0, len(users), CONCURRENCY):
            some = users[start : start + CONCURRENCY]
            readers += await asyncio.gather(*(self._open(user) for user in some))
        return readers

    async def _open(self, user: UUID) -> Reader:
        contender = self.server
        return await open_reader(
            contender.host, contender.port, contender.build_request(user), self.on_job
        )

    async def churn(self, count: int) -> None:
        """Open and close that many, a few at a time: what is remembered of each user is then."""
        users = self.single_users + self.shared_users
        for start in range(0, count, CONCURRENCY):
            some = [users[(start + n) % len(users)] for n in range(min(CONCURRENCY, count - start))]
            await close_all(await self.open(some))


class BenchmarkRound:
    """One contender's turn: events at a steady pace, each told to whoever it is for."""

    def __init__(self, fixture: StreamFixture, audience: ListenerGroup, options: Any) -> None:
        self._fixture = fixture
        self._audience = audience
        self._step = 1 / options.rate
        self._events = round(options.seconds * options.rate)

    async def run(self, users: Sequence[UUID], listeners: int) -> tuple[list[float], float]:
        """Answer the seconds to each listener, and the CPU seconds of an event."""
        audience = self._audience
        await asyncio.sleep(WARM_UP_SECONDS)  # it catches up on what it has slept through
        audience.shown, audience.sent = [], {}
        wanted = self._events * listeners
        before = audience.server.cpu()
        await self._fixture.publish_events(users, self._events, self._step, audience.sent)
        patience = time.perf_counter() + TIMEOUT_SECONDS
        while len(audience.shown) < wanted:
            await asyncio.sleep(0.01)
            if time.perf_counter() > patience:
                who = audience.server.name
                raise TimeoutError(f"{who} showed {len(audience.shown):,} of {wanted:,}")
        return audience.shown, (audience.server.cpu() - before) / self._events


async def compare(
    fixture: StreamFixture, table: Table, audiences: Sequence[ListenerGroup], options: Any
) -> None:
    seconds: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for audience in audiences:
            others = [one.server for one in audiences if one is not audience]
            with fixture.suspended(others):
                turn = BenchmarkRound(fixture, audience, options)
                for kind, users, listeners in (
                    ("alone", audience.single_users, 1),
                    ("shared", audience.shared_users, SHARED_BY),
                ):
                    shown, each = await turn.run(users, listeners)
                    key = f"{audience.server.name}, {kind}"
                    seconds.setdefault(key, []).extend(shown)
                    cpu.setdefault(key, []).append(each)
    show_events(table, seconds, {key: statistics.median(found) for key, found in cpu.items()})


def show_events(table: Table, seconds: dict[str, list[float]], cpu: dict[str, float]) -> None:
    table.row("event → listener", "p50", "p99", "CPU an event")
    for key, found in seconds.items():
        cuts = statistics.quantiles(found, n=100)
        p99 = cuts[98] * 1e3
        cells = (f"{cuts[49] * 1e3:.2f} ms", f"{p99:.2f} ms", f"{cpu[key] * 1e6:.0f} µs")
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
        goal, held = f"≥ {MIN_COST_RATIO:.0f} x", ratio >= MIN_COST_RATIO
        table.goal("cheaper than sse-starlette", f"{ratio:.1f} x", goal=goal, met=held)


async def measure_connection_memory(table: Table, audience: ListenerGroup) -> None:
    """Open all; users and tokens are known already, so that what grows is the connections."""
    await audience.churn(2 * len(audience.single_users + audience.shared_users))
    contender = audience.server
    before = contender.memory()
    await audience.connect_all()
    kib = (contender.memory() - before) / len(audience.readers) / 1024
    name, cells = f"a connection of {contender.name}", (f"{kib:.1f} KiB",)
    if contender.name == OURS:
        table.goal(name, *cells, goal=f"≤ {MAX_KIB:.0f} KiB", met=kib <= MAX_KIB)
    else:
        table.row(name, *cells)


async def soak(table: Table, audience: ListenerGroup, count: int) -> None:
    """Have many come and go; whoever keeps something of each would show it."""
    await audience.churn(min(count, 2_000))
    before = await audience.server.leftover_resources()
    await audience.churn(count)
    after = await audience.server.leftover_resources()
    table.row(f"before and after {count:,} connections", "before", "after")
    for name in before:
        was, now = before[name], after[name]
        slack = {"MiB": was * MAX_GROWTH, "open files": was + POOLED}.get(name, was)
        table.goal(name, f"{was:.1f}", f"{now:.1f}", goal="flat", met=now <= slack)


async def measure(fleet: IsolatedFleet, options: Any) -> list[str]:
    table = Table()
    async with AsyncExitStack() as stack:
        fixture = await stack.enter_async_context(open_fixture(fleet))
        names = [OURS, BASELINE] if find_spec("sse_starlette") else [OURS]
        if BASELINE not in names:
            print("sse-starlette is not installed here: `./msaas bench sse` brings it")
        issuer = await stack.enter_async_context(Issuer.serving())
        contenders = [
            await stack.enter_async_context(
                fixture.gateway(OURS, issuer) if name == OURS else fixture.baseline(BASELINE)
            )
            for name in names
        ]
        audiences = [ListenerGroup(one, options.listeners) for one in contenders]
        for audience in audiences:
            await stack.enter_async_context(closing(audience))
            await measure_connection_memory(table, audience)
        await compare(fixture, table, audiences, options)
        await close_all(audiences[0].readers)
        await soak(table, audiences[0], options.churn)
    return table.missed


@asynccontextmanager
async def closing(audience: ListenerGroup) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await close_all(audience.readers)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="msaas bench sse", description=__doc__)
    parser.add_argument("--listeners", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=100, help="events a second")
    parser.add_argument("--seconds", type=float, default=5, help="of each round and kind of user")
    parser.add_argument("--churn", type=int, default=50_000, help="connections that come and go")
    options = parser.parse_args(argv)
    if options.listeners < 2 * SHARED_BY:
        parser.error(f"half of the listeners share a user by {SHARED_BY}: it takes {2 * SHARED_BY}")
    return measure_fleet(measure, options)


if __name__ == "__main__":
    sys.exit(main())
