"""Behind a transaction pooler: no statement and no state is left on a server connection."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import uuid4

from sqlalchemy import text

from msaas.postgres import Database, PostgresConfig, create_engine

Opener: TypeAlias = Callable[..., Awaitable[Database]]


async def read_many(database: Database) -> list[int]:
    async def read(number: int) -> int:
        async with database.read_as(uuid4()) as connection:
            assert await connection.fetchval("SELECT count(*) FROM notes") == 0
            return await connection.fetchval("SELECT $1::int", number)

    return await asyncio.gather(*(read(number) for number in range(20)))


async def test_many_clients_share_few_servers(pooler_url: str, open_database: Opener) -> None:
    database = await open_database(f"{pooler_url}?pgbouncer=true", max_size=6)
    assert await read_many(database) == list(range(20))


async def test_without_the_flag_named_statements_would_stay_on_the_servers(
    pooler_url: str, open_database: Opener
) -> None:
    database = await open_database(pooler_url, max_size=6)
    async with database.transaction() as connection:
        await connection.fetchval("SELECT $1::int", 1)
        assert await connection.fetchval("SELECT count(*) FROM pg_prepared_statements") > 0


async def test_the_server_connections_are_left_as_they_were(
    pooler_url: str, open_database: Opener
) -> None:
    database = await open_database(f"{pooler_url}?pgbouncer=true", max_size=6)
    await read_many(database)
    async with database.transaction() as first, database.transaction() as second:
        for connection in (first, second):  # both servers of the pooler
            assert await connection.fetchval("SELECT current_user::text") == "postgres"
            claims = "SELECT coalesce(current_setting('request.jwt.claims', true), '')"
            assert await connection.fetchval(claims) == ""
            assert await connection.fetchval("SELECT count(*) FROM pg_prepared_statements") == 0


async def test_the_engine_works_through_it_too(pooler_url: str) -> None:
    engine = create_engine(PostgresConfig(f"{pooler_url}?pgbouncer=true"))

    async def read(number: int) -> int | None:
        async with engine.begin() as connection:
            return await connection.scalar(text("SELECT CAST(:number AS int)"), {"number": number})

    assert await asyncio.gather(*(read(number) for number in range(10))) == list(range(10))
    await engine.dispose()
