"""Each fault looks to a client as the real one would."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from msaas.testing import FaultProxy

# redis-py leaves much of its own surface untyped.
Client = Any
_Redis: Any = redis.asyncio.Redis


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
async def through(proxy: FaultProxy) -> AsyncIterator[Client]:
    async with _Redis.from_url(proxy.url, socket_timeout=0.3, retry=None) as client:
        yield client


@pytest.fixture
async def direct(redis_url: str) -> AsyncIterator[Client]:
    async with _Redis.from_url(redis_url) as client:
        yield client


async def test_by_default_everything_passes(through: Client, environment: str) -> None:
    await through.set(f"msaas:{environment}:a", "x" * 200_000, ex=60)
    assert len(await through.get(f"msaas:{environment}:a")) == 200_000


async def test_a_cut_resets_connections_and_refuses_new_ones(
    proxy: FaultProxy, through: Client
) -> None:
    await through.ping()
    await proxy.cut()
    with pytest.raises(RedisConnectionError):
        await through.ping()
    with pytest.raises(RedisConnectionError):
        await through.ping()
    await proxy.restore()
    assert await through.ping()


async def test_a_blackhole_accepts_and_never_answers(proxy: FaultProxy, through: Client) -> None:
    proxy.blackhole()
    with pytest.raises(RedisTimeoutError):
        await through.ping()
    await proxy.restore()
    assert await through.ping()


async def test_a_lost_reply_leaves_its_effect(
    proxy: FaultProxy, through: Client, direct: Client, environment: str
) -> None:
    key = f"msaas:{environment}:counter"
    await through.set(key, 0, ex=60)
    proxy.drop_replies()
    with pytest.raises(RedisTimeoutError):
        await through.incr(key)
    assert await direct.get(key) == b"1"
    await proxy.restore()
    assert await through.get(key) == b"1"


async def test_a_delay_longer_than_patience_is_a_timeout(
    proxy: FaultProxy, through: Client
) -> None:
    proxy.delay(0.4)
    with pytest.raises(RedisTimeoutError):
        await through.ping()
    await proxy.restore()
    assert await through.ping()


async def test_a_server_that_is_gone_is_a_reset_not_a_hang() -> None:
    async with (
        FaultProxy("redis://127.0.0.1:1/0") as nowhere,
        _Redis.from_url(nowhere.url, retry=None) as client,
    ):
        with pytest.raises(RedisConnectionError):
            await client.ping()


async def test_credentials_and_path_of_an_address_are_kept(proxy: FaultProxy) -> None:
    url = proxy.url_for("postgresql://me:secret@db.example:5432/things?x=1")
    assert url == f"postgresql://me:secret@127.0.0.1:{proxy.port}/things?x=1"
