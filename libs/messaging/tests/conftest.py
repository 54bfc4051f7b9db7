"""Worlds for the state machines: a wire whose time, faults and losses are in the test's hand."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar, cast

import pytest
import redis.asyncio
import structlog
from hypothesis import HealthCheck, settings

from msaas.local.servers import RedisServer
from msaas.messaging import RedisWire, WireUnavailable
from msaas.streams import Wire
from msaas.testing import FakeClock, MemoryWire

T = TypeVar("T")
# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.asyncio.Redis

# The same examples every time: a red run says something about the change that it is run for.
settings.register_profile(
    "machines",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class Line:
    """The way to the wire: calls and answers get lost on it, and it can lead to another server."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.skew_ms = 0
        self.lost: dict[str, str] = {}

    async def now_ms(self) -> int:
        return await self.wire.now_ms() + self.skew_ms

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            lost = self.lost.pop(name, "")
            if lost == "call":
                raise WireUnavailable(target="line")
            answer = await getattr(self.wire, name)(*args, **kwargs)
            if lost == "answer":
                raise WireUnavailable(target="line")
            return answer

        return call


class World:
    """Each example begins with an empty wire at time 0."""

    clock: FakeClock
    line: Line

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    @property
    def wire(self) -> Wire:
        return cast("Wire", self.line)

    def run(self, act: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(act)

    def begin(self) -> None:
        self.clock = FakeClock()
        self.line = Line(self.open())

    def open(self) -> Wire:
        return MemoryWire(self.clock)

    async def pass_time(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    async def flush(self) -> None:
        cast("MemoryWire", self.line.wire).flush()
        await self._pass_a_moment()

    async def replace(self) -> None:
        """Go on with another server, an empty one."""
        self.line.wire = self.open()
        await self._pass_a_moment()

    async def _pass_a_moment(self) -> None:
        """No server forgets all and takes a new entry within one millisecond, under one id."""
        await self.clock.advance(0.001)

    def end(self) -> None:
        self._loop.close()


class RedisWorld(World):
    """Two real servers; time passes for what is pending and for expiry when the test says so."""

    def __init__(self, urls: Sequence[str]) -> None:
        super().__init__()
        self._clients = [_Redis.from_url(url) for url in urls]
        self._wires = [RedisWire(url) for url in urls]
        self._at = 0

    def open(self) -> Wire:
        self.run(self.flush())
        return self._wires[self._at]

    async def pass_time(self, seconds: float) -> None:
        await super().pass_time(seconds)
        passed_ms = round(seconds * 1000)
        self.line.skew_ms += passed_ms
        client = self._clients[self._at]
        async for key in client.scan_iter(count=1000, _type="stream"):
            for group in await client.xinfo_groups(key):
                if group["pending"]:
                    await self._age(client, key, group["name"], passed_ms)

    async def flush(self) -> None:
        await self._clients[self._at].flushall()

    async def replace(self) -> None:
        self._at = 1 - self._at
        await self.flush()
        self.line.wire = self._wires[self._at]

    def end(self) -> None:
        for one in self._clients:
            self.run(one.aclose())
        for wire in self._wires:
            self.run(wire.close())
        super().end()

    async def _age(self, client: Any, key: bytes, group: bytes, passed_ms: int) -> None:
        rows = await client.xpending_range(key, group, "-", "+", 10_000)
        async with client.pipeline(transaction=False) as batch:
            for row in rows:
                batch.xclaim(
                    key,
                    group,
                    row["consumer"],
                    min_idle_time=0,
                    message_ids=[row["message_id"]],
                    idle=row["time_since_delivered"] + passed_ms,
                    retrycount=row["times_delivered"],
                    justid=True,
                )
            await batch.execute()


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    """Write no tracebacks of the failures that these tests cause by the thousand."""

    def drop(*_: object) -> str:
        raise structlog.DropEvent

    structlog.configure(processors=[drop])
    yield
    structlog.reset_defaults()


@pytest.fixture
def memory_world() -> Iterator[World]:
    world = World()
    yield world
    world.end()


@pytest.fixture
def redis_world(private_redis: Callable[..., RedisServer]) -> Iterator[World]:
    world = RedisWorld([private_redis(aof=False).url for _ in range(2)])
    yield world
    world.end()
