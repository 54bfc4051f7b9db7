"""A store on real Redis, in an environment of the test's own."""

from collections.abc import AsyncIterator

import pytest_asyncio

from msaas.cache import RedisStore
from msaas.streams import RedisBroker
from msaas.testing import GENEROUS_TIMEOUT


@pytest_asyncio.fixture
async def broker(redis_url: str) -> AsyncIterator[RedisBroker]:
    broker = RedisBroker(redis_url, command_timeout=GENEROUS_TIMEOUT)
    yield broker
    await broker.close()


@pytest_asyncio.fixture
async def store(broker: RedisBroker) -> RedisStore:
    return RedisStore(broker)
