"""A link that carries some megabytes a second: the deadline grows with what is sent over it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from msaas.streams import BrokerUnavailable, RedisBroker, StreamConsumer, Write
from msaas.testing import GENEROUS_TIMEOUT, FaultProxy, wait_until

BYTES_PER_SECOND = 4_000_000


@pytest_asyncio.fixture
async def slow_broker(redis_url: str) -> AsyncIterator[RedisBroker]:
    async with FaultProxy(redis_url) as proxy:
        proxy.limit_rate(BYTES_PER_SECOND)
        broker = RedisBroker(proxy.url)
        yield broker
        await broker.close()


@pytest_asyncio.fixture
async def direct_broker(redis_url: str) -> AsyncIterator[RedisBroker]:
    broker = RedisBroker(redis_url, command_timeout=GENEROUS_TIMEOUT)
    yield broker
    await broker.close()


async def test_a_write_that_takes_longer_than_a_command_may_arrives(
    slow_broker: RedisBroker, direct_broker: RedisBroker, environment: str
) -> None:
    key = f"msaas:{environment}:stream:large"
    writes = [Write(key, {b"data": b"x" * 250_000})] * 32

    async def is_committed() -> bool:
        try:
            await slow_broker.commit(writes)
        except BrokerUnavailable:
            return False
        return True

    try:
        await wait_until(is_committed, timeout=60)
        assert await direct_broker.depth(key) % len(writes) == 0
    finally:
        await direct_broker.execute_command("DEL", key)


async def test_a_read_that_takes_longer_than_a_command_may_arrives(
    slow_broker: RedisBroker, direct_broker: RedisBroker, environment: str
) -> None:
    key = f"msaas:{environment}:stream:large"
    await direct_broker.commit([Write(key, {b"data": b"x" * 250_000})] * 14)
    await direct_broker.ensure_group(consumer := StreamConsumer(key, "group", "us"))

    async def is_reclaimed() -> bool:
        try:
            return len(await slow_broker.reclaim(consumer, 0, 14)) == 14
        except BrokerUnavailable:
            return False

    try:
        await direct_broker.read(consumer, 14, 0)
        await wait_until(is_reclaimed, timeout=60)
    finally:
        await direct_broker.execute_command("DEL", key)
