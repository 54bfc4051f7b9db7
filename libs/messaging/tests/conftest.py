"""Worlds for the state machines: a broker whose time, faults and losses are in the test's hand."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar, cast

import pytest
import redis.asyncio
import structlog
from hypothesis import HealthCheck, settings

from msaas.embedded import RedisServer
from msaas.messaging import BrokerUnavailable, RedisBroker
from msaas.streams import Broker
from msaas.testing import FakeClock, MemoryBroker

T = TypeVar("T")
# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.asyncio.Redis

# The same examples every time: a failure is caused by the change that is tested.
settings.register_profile(
    "machines",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class FaultyBroker:
    """The way to Redis: calls and answers get lost on it, and it can lead to another server."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.skew_ms = 0
        self.lost: dict[str, str] = {}

    async def now_ms(self) -> int:
        return await self.broker.now_ms() + self.skew_ms

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            lost = self.lost.pop(name, "")
            if lost == "call":
                raise BrokerUnavailable(target="line")
            answer = await getattr(self.broker, name)(*args, **kwargs)
            if lost == "answer":
                raise BrokerUnavailable(target="line")
            return answer

        return call


class BrokerHarness:
    """Each example begins with an empty broker at time 0."""

    clock: FakeClock
    faulty_broker: FaultyBroker

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    @property
    def broker(self) -> Broker:
        return cast("Broker", self.faulty_broker)

    def run(self, act: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(act)

    def begin(self) -> None:
        self.clock = FakeClock()
        self.faulty_broker = FaultyBroker(self.open())

    def open(self) -> Broker:
        return MemoryBroker(self.clock)

    async def pass_time(self, seconds: float) -> None:
        await self.clock.advance(seconds)

    async def flush(self) -> None:
        cast("MemoryBroker", self.faulty_broker.broker).flush()
        await self._pass_a_moment()

    async def replace(self) -> None:
        """Go on with another server, an empty one."""
        self.faulty_broker.broker = self.open()
        await self._pass_a_moment()

    async def _pass_a_moment(self) -> None:
        """Advance the clock, so that the new server does not reuse an entry id."""
        await self.clock.advance(0.001)

    def end(self) -> None:
        self._loop.close()


class RedisHarness(BrokerHarness):
    """Two real servers; the test moves time for pending entries and expiry."""

    def __init__(self, urls: Sequence[str]) -> None:
        super().__init__()
        self._clients = [_Redis.from_url(url) for url in urls]
        self._brokers = [RedisBroker(url) for url in urls]
        self._at = 0

    def open(self) -> Broker:
        self.run(self.flush())
        return self._brokers[self._at]

    async def pass_time(self, seconds: float) -> None:
        await super().pass_time(seconds)
        passed_ms = round(seconds * 1000)
        self.faulty_broker.skew_ms += passed_ms
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
        self.faulty_broker.broker = self._brokers[self._at]

    def end(self) -> None:
        for client in self._clients:
            self.run(client.aclose())
        for broker in self._brokers:
            self.run(broker.close())
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
def memory_harness() -> Iterator[BrokerHarness]:
    harness = BrokerHarness()
    yield harness
    harness.end()


@pytest.fixture
def redis_harness(private_redis: Callable[..., RedisServer]) -> Iterator[BrokerHarness]:
    harness = RedisHarness([private_redis(aof=False).url for _ in range(2)])
    yield harness
    harness.end()
