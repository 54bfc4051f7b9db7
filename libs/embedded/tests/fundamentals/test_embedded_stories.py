"""How to run Redis and Postgres from Python, one idea each."""

from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis

from msaas.embedded import (
    PostgresServer,
    RedisServer,
    ServerNotStarted,
    find_free_port,
    find_redis_server,
    is_free,
)

# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.Redis


def ping(url: str) -> bool:
    with _Redis.from_url(url) as client:
        return bool(client.ping())


def test_a_server_needs_only_a_folder(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis")
    server.start()
    try:
        assert ping(server.url)
    finally:
        server.stop()


def test_a_stopped_server_starts_again_at_the_same_address_with_its_data(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis")
    server.start()
    try:
        address = server.url
        with _Redis.from_url(address) as client:
            client.set("greeting", "hello")
        server.stop()
        server.start()
        assert server.url == address
        with _Redis.from_url(address) as client:
            assert client.get("greeting") == b"hello"
    finally:
        server.kill()


def test_a_killed_server_is_not_running_and_frees_its_port(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis")
    server.start()
    server.kill()
    assert not server.running
    assert is_free(server.port)


def test_a_server_that_cannot_start_reports_the_reason(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis", config={"maxmemory": "not-a-number"})
    with pytest.raises(ServerNotStarted, match="maxmemory"):
        server.start()


def test_programs_and_free_ports_can_be_found_without_a_server() -> None:
    assert find_redis_server().is_file()
    assert is_free(find_free_port())


async def test_postgres_runs_as_an_ordinary_user_behind_a_password(
    world_readable_folder: Path,
) -> None:
    server = PostgresServer(world_readable_folder / "postgres", config={"fsync": "off"})
    server.start(timeout=60)
    try:
        connection = await asyncpg.connect(server.url)
        assert await connection.fetchval("select 1") == 1
        await connection.close()
        assert server.password in server.url
    finally:
        server.kill()
