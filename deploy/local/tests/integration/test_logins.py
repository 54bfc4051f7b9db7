"""Every process of one machine has a login of its own, on Redis and on Postgres."""

import asyncio
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
import redis
from redis.exceptions import AuthenticationError, NoPermissionError

from msaas.embedded import PostgresServer, RedisServer
from msaas.local.credentials import (
    get_or_create_secret,
    redis_secret_name,
    url_with_credentials,
    write_users,
)
from msaas.local.databases import ensure_database

# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.Redis


def test_a_secret_is_generated_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    first = get_or_create_secret(tmp_path / "secrets", "one")
    assert get_or_create_secret(tmp_path / "secrets", "one") == first
    assert get_or_create_secret(tmp_path / "secrets", "other") != first
    assert stat.S_IMODE((tmp_path / "secrets" / "one").stat().st_mode) == 0o600


def test_a_process_has_the_grants_of_the_registry_and_the_default_user_all(
    world_readable_folder: Path,
) -> None:
    folder = world_readable_folder / "redis"
    get_secret = partial(get_or_create_secret, world_readable_folder / "secrets")
    write_users(folder / "users.acl", "open-sesame", get_secret)
    config = {"aclfile": f'"{folder / "users.acl"}"'}
    server = RedisServer(folder, password="open-sesame", config=config)
    server.start()
    try:
        worker_url = url_with_credentials(
            server.url, "browser-worker", get_secret(redis_secret_name("browser-worker"))
        )
        with _Redis.from_url(worker_url) as worker, _Redis.from_url(server.url) as default:
            worker.xadd("msaas:local:stream:jobs.results.v1", {"type": "x"})
            with pytest.raises(NoPermissionError):
                worker.xadd("msaas:local:stream:jobs.browser.v1", {"type": "x"})
            with pytest.raises(NoPermissionError):
                worker.flushall()
            assert default.keys("*") == [b"msaas:local:stream:jobs.results.v1"]
        wrong = _Redis.from_url(url_with_credentials(server.url, "browser-worker", "guessed"))
        with pytest.raises(AuthenticationError):
            wrong.ping()
        wrong.close()
    finally:
        server.stop()


async def test_a_database_has_one_owner_whose_password_can_change(postgres_url: str) -> None:
    name = f"owned_{uuid4().hex}"
    server = urlsplit(postgres_url)
    for password in ("first's", "second"):
        # The launcher calls it from a thread without a loop.
        await asyncio.to_thread(ensure_database, postgres_url, name, name, password)
        own = await asyncpg.connect(
            host=server.hostname, port=server.port, user=name, password=password, database=name
        )
        assert await own.fetchval("SELECT current_user") == name
        await own.close()
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f'DROP DATABASE "{name}"')
    await admin.execute(f'DROP ROLE "{name}"')
    await admin.close()


@pytest.mark.parametrize(
    "password",
    ["correct-horse", 'first\'s $1 \\ "x"', "p\u00e4ss\u00a0w\u2168rt\u00ad", "\u0001\u00e9"],
)
async def test_a_password_is_set_without_ever_being_sent_to_the_server(
    password: str, private_postgres: Callable[..., PostgresServer]
) -> None:
    server = private_postgres(config={"log_statement": "all", "fsync": "off"})
    await asyncio.to_thread(ensure_database, server.url, "owned", "owner", password)
    address = urlsplit(server.url)
    own = await asyncpg.connect(
        host=address.hostname, port=address.port, user="owner", password=password, database="owned"
    )
    await own.close()
    log = server.log_path.read_text("utf-8")
    assert 'ALTER ROLE "owner"' in log
    assert password not in log
