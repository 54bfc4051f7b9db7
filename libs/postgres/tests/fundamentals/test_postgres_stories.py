"""How a service uses msaas.postgres, one idea at a time."""

from uuid import uuid4

import pytest

from msaas.postgres import Database, TransactionConflict


async def test_a_handler_changes_rows_in_one_transaction(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("INSERT INTO notes (user_id, body) VALUES ($1, $2)", uuid4(), "x")
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM notes") == 1


async def test_an_endpoint_reads_as_its_user(database: Database) -> None:
    user_id = uuid4()
    async with database.transaction() as connection:
        rows = [(user_id, "mine"), (uuid4(), "theirs")]
        await connection.executemany("INSERT INTO notes (user_id, body) VALUES ($1, $2)", rows)
    async with database.read_as(user_id) as connection:
        assert [row["body"] for row in await connection.fetch("SELECT body FROM notes")] == ["mine"]


async def test_a_failure_undoes_everything(database: Database) -> None:
    async def fail_half_way() -> None:
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO notes (user_id) VALUES ($1)", uuid4())
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        await fail_half_way()
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM notes") == 0


async def test_a_hot_row_is_waited_for_but_not_for_long(database: Database) -> None:
    async with database.transaction() as first:
        await first.execute("LOCK TABLE notes")
        with pytest.raises(TransactionConflict):
            async with database.transaction(lock_timeout=0.02) as second:
                await second.execute("LOCK TABLE notes")
