"""One pair of servers serves the whole run; each test has its own database and key prefix."""

import tempfile
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis.asyncio

from msaas.testing.shared_servers import SharedServers

# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.asyncio.Redis


@pytest.mark.parametrize("attempt", [1, 2, 3, 4])
async def test_a_test_starts_with_an_empty_database(database_url: str, attempt: int) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("create table things (id int primary key)")
    assert await connection.fetchval("select count(*) from things") == 0
    await connection.close()


async def test_redis_answers_at_the_shared_address(redis_url: str, environment: str) -> None:
    async with _Redis.from_url(redis_url) as client:
        assert await client.set(f"msaas:{environment}:x", 1, ex=10)


def test_servers_find_an_accessible_folder_when_the_temporary_folder_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    servers = SharedServers({})
    try:
        assert servers.postgres_url.startswith("postgresql://")
        assert servers.redis_url.startswith("redis://")
    finally:
        servers.stop()
