"""A store on real Redis, in an environment of the test's own."""

from collections.abc import AsyncIterator

import pytest_asyncio

from msaas.cache import RedisStore
from msaas.streams import RedisWire
from msaas.testing import PATIENCE


@pytest_asyncio.fixture
async def wire(redis_url: str) -> AsyncIterator[RedisWire]:
    wire = RedisWire(redis_url, command_timeout=PATIENCE)
    yield wire
    await wire.close()


@pytest_asyncio.fixture
async def store(wire: RedisWire) -> RedisStore:
    return RedisStore(wire)
