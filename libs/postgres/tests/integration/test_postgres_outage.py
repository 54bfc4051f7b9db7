"""Postgres dies under running work and comes back; the pool neither hangs nor needs a restart."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import uuid4

import pytest

from msaas.embedded import PostgresServer
from msaas.postgres import CommitUnconfirmed, Database, DatabaseReadOnly, DatabaseUnavailable
from msaas.testing import FaultProxy, wait_until

Opener: TypeAlias = Callable[..., Awaitable[Database]]


async def sleep_in(database: Database, running: asyncio.Event) -> None:
    async with database.transaction() as connection:
        await connection.execute("SELECT 1")
        running.set()
        await connection.execute("SELECT pg_sleep(60)")


async def is_up(database: Database) -> bool:
    try:
        await database.ping()
    except DatabaseUnavailable:
        return False
    return True


async def test_a_server_killed_in_mid_query_is_unavailable_and_then_back(
    private_postgres: Callable[..., PostgresServer], open_database: Opener
) -> None:
    server = private_postgres()
    database = await open_database(server.url, max_size=2, acquire_timeout=0.5)
    running = asyncio.Event()
    query = asyncio.create_task(sleep_in(database, running))
    await running.wait()
    await database.ping()  # leaves an idle connection in the pool, which is found dead later
    server.kill()
    with pytest.raises(DatabaseUnavailable):
        await query
    with pytest.raises(DatabaseUnavailable):
        await database.ping()
    await asyncio.to_thread(server.start)
    await wait_until(lambda: is_up(database))
    async with database.transaction() as connection:
        assert await connection.fetchval("SELECT 42") == 42


async def test_a_session_ended_by_an_admin_is_replaced_silently(
    notes_url: str, open_database: Opener
) -> None:
    database = await open_database(notes_url, max_size=1)
    admin = await open_database(notes_url, max_size=1)
    await database.ping()
    async with admin.connection() as connection:
        others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> $1"
        mine = await connection.fetchval("SELECT pg_backend_pid()")
        await connection.fetch(f"{others} AND datname = current_database()", mine)
    async with database.transaction() as connection:
        assert await connection.fetchval("SELECT 42") == 42


async def test_silence_is_unavailable_where_a_slow_statement_is_a_timeout(
    notes_url: str, open_database: Opener
) -> None:
    async with FaultProxy(notes_url) as proxy:
        database = await open_database(
            proxy.url, command_timeout=0.1, acquire_timeout=0.1, connect_timeout=0.1
        )

        async def query_without_answer() -> None:
            async with database.transaction() as connection:
                proxy.blackhole()
                await connection.fetchval("SELECT 1")

        with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
            await query_without_answer()
        await proxy.restore()
        await wait_until(lambda: is_up(database))


async def test_a_connection_that_went_silent_in_the_pool_is_replaced(
    notes_url: str, open_database: Opener
) -> None:
    async with FaultProxy(notes_url) as proxy:
        database = await open_database(proxy.url, acquire_timeout=0.2, max_size=1)
        await database.ping()
        proxy.blackhole()
        with pytest.raises(DatabaseUnavailable):
            async with database.read_as(uuid4()):
                pass
        await proxy.restore()
        await wait_until(lambda: is_up(database))


@pytest.mark.parametrize("sqlstate", ["53100", "53200", "53400", "58000", "58030", "25P03"])
async def test_a_server_in_trouble_is_unavailable_and_the_connection_works_on(
    sqlstate: str, notes_url: str, open_database: Opener
) -> None:
    database = await open_database(notes_url, max_size=1)
    with pytest.raises(DatabaseUnavailable):
        async with database.transaction() as connection:
            await connection.execute(f"DO $$ BEGIN RAISE SQLSTATE '{sqlstate}'; END $$")
    await database.ping()


async def test_a_server_that_takes_no_writes_is_unavailable_until_it_does_without_a_restart(
    notes_url: str, open_database: Opener
) -> None:
    admin = await open_database(notes_url, max_size=1)
    database = await open_database(notes_url, max_size=1)
    name = notes_url.rpartition("/")[2]
    write = "INSERT INTO notes (user_id, body) VALUES ($1, $2)"

    async def try_to_write() -> None:
        async with database.transaction() as connection:
            await connection.execute(write, uuid4(), uuid4().hex)

    async with admin.connection() as connection:
        await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    for _ in range(3):
        with pytest.raises(DatabaseReadOnly):
            await try_to_write()
    async with admin.transaction() as connection:
        await connection.execute("SET TRANSACTION READ WRITE")
        await connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await try_to_write()


async def test_a_commit_without_an_answer_says_that_it_may_have_taken_effect(
    notes_url: str, open_database: Opener
) -> None:
    async with FaultProxy(notes_url) as proxy:
        database = await open_database(proxy.url, command_timeout=0.5)

        async def commit_into_the_silence() -> None:
            async with database.transaction() as connection:
                await connection.execute("SELECT 1")
                proxy.blackhole()

        with pytest.raises(CommitUnconfirmed):
            await commit_into_the_silence()
        await proxy.restore()
        await wait_until(lambda: is_up(database))
