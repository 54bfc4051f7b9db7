"""The cache of views: shared loads, expiry, and Redis that is unavailable."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from msaas.cache import RedisStore, RedisViewCache
from msaas.kernel import DependencyUnavailable
from msaas.telemetry import Metrics


class FakeRedis:
    """The part of Redis that a cache of views needs; it stores the TTL of each key."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.ms: dict[str, int] = {}
        self.is_unavailable = False

    async def execute_command(self, *command: str | int | bytes) -> Any:
        if self.is_unavailable:
            raise DependencyUnavailable(target="redis")
        match command:
            case ("GET", str(key)):
                return self.values.get(key)
            case ("SET", str(key), bytes(value), "PX", int(ms)):
                self.values[key] = value
                self.ms[key] = ms
                return b"OK"
            case _:
                raise AssertionError(command)


class CountingLoader:
    """Counts its calls, and returns when the test allows it."""

    def __init__(self, answer: bytes | None = b"view") -> None:
        self.answer = answer
        self.loads = 0
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self) -> bytes | None:
        self.loads += 1
        answer = self.answer
        await self.open.wait()
        return answer


Get = Callable[..., Awaitable[bytes | None]]


@pytest.fixture
def redis() -> FakeRedis:
    return FakeRedis()


@pytest.fixture
def views(redis: FakeRedis) -> RedisViewCache:
    metrics = Metrics("gateway", "test")
    return RedisViewCache(RedisStore(redis), "test", "usage", ttl_seconds=60, metrics=metrics)


async def test_a_view_is_loaded_once_and_cached_with_a_random_ttl(
    views: RedisViewCache, redis: FakeRedis
) -> None:
    source = CountingLoader()
    assert [await views.get(f"ann-{n // 2}", source) for n in range(40)] == [b"view"] * 40
    assert source.loads == 20
    assert len(set(redis.ms.values())) > 1
    assert all(48_000 <= ms <= 60_000 for ms in redis.ms.values())


async def test_concurrent_callers_share_one_load(views: RedisViewCache) -> None:
    source = CountingLoader()
    source.open.clear()
    tasks = [asyncio.create_task(views.get("ann", source)) for _ in range(20)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    source.open.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [b"view"] * 19
    assert source.loads == 1


async def test_an_empty_result_is_cached_for_a_shorter_time(
    views: RedisViewCache, redis: FakeRedis
) -> None:
    source = CountingLoader(None)
    assert [await views.get("ann", source) for _ in range(3)] == [None] * 3
    assert source.loads == 1
    assert max(redis.ms.values()) <= 5_000


async def test_without_redis_views_are_loaded_and_not_kept(
    views: RedisViewCache, redis: FakeRedis
) -> None:
    source = CountingLoader()
    redis.is_unavailable = True
    assert [await views.get("ann", source) for _ in range(10)] == [b"view"] * 10
    assert source.loads == 10
    assert redis.values == {}


async def test_a_failed_load_is_raised_to_all_callers_and_not_cached(
    views: RedisViewCache, redis: FakeRedis
) -> None:
    async def fail() -> bytes | None:
        raise LookupError("no such view")

    answers = await asyncio.gather(
        *(views.get("ann", fail) for _ in range(3)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [LookupError] * 3
    assert redis.values == {}
    assert await views.get("ann", CountingLoader()) == b"view"
