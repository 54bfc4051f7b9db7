"""A tour of what the plugin offers to a test, one idea each."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
import redis.asyncio
from redis.exceptions import TimeoutError as RedisTimeoutError

from msaas.embedded import RedisServer
from msaas.testing import (
    Crash,
    FakeClock,
    FaultProxy,
    build_submit_job,
    cut_aof_tail,
    wait_until,
    with_crash,
)

# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.asyncio.Redis


async def test_ask_for_a_database_and_get_a_fresh_one(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("create table jobs (id uuid primary key)")
    await connection.execute("insert into jobs values ($1)", build_submit_job().job_id)
    assert await connection.fetchval("select count(*) from jobs") == 1
    await connection.close()


async def test_ask_for_an_environment_and_keep_your_keys_in_it(
    redis_url: str, environment: str
) -> None:
    async with _Redis.from_url(redis_url) as client:
        await client.set(f"msaas:{environment}:cache:greeting", "hello", ex=60)
        assert await client.get(f"msaas:{environment}:cache:greeting") == b"hello"


async def test_wait_for_what_happens_instead_of_sleeping() -> None:
    seen: list[str] = []
    asyncio.get_running_loop().call_later(0.02, seen.append, "done")
    assert await wait_until(lambda: seen) == ["done"]


async def test_move_the_clock_instead_of_waiting(fake_clock: FakeClock) -> None:
    lease = asyncio.create_task(fake_clock.sleep(10))
    await fake_clock.advance(10)
    assert lease.done()


async def test_lose_the_reply_of_a_write_that_happened(redis_url: str, environment: str) -> None:
    key = f"msaas:{environment}:cache:charge"
    async with FaultProxy(redis_url) as proxy, _Redis.from_url(redis_url) as direct:
        async with _Redis.from_url(proxy.url, socket_timeout=0.2, retry=None) as client:
            await client.ping()
            proxy.drop_replies()
            with pytest.raises(RedisTimeoutError):
                await client.set(key, "once", ex=60)
        assert await direct.get(key) == b"once"


async def test_crash_between_two_steps() -> None:
    broker: list[str] = []

    async def commit_then_publish() -> None:
        broker.append("committed")
        with_crash(broker, "append").append("published")

    with pytest.raises(Crash):
        await commit_then_publish()
    assert broker == ["committed"]


async def test_own_a_server_to_kill_it_and_lose_its_last_writes(
    private_redis: Callable[..., RedisServer],
) -> None:
    server = private_redis(config={"appendfsync": "always"})
    async with _Redis.from_url(server.url) as client:
        await client.set("kept", 1)
        await client.set("lost", 1)
    server.kill()
    cut_aof_tail(server, lose_bytes=1)
    server.start()
    async with _Redis.from_url(server.url) as client:
        assert [await client.get("kept"), await client.get("lost")] == [b"1", None]
