"""Transactions, bounds and traces of the pool on a real server."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from msaas.kernel import CommandTimeout
from msaas.postgres import (
    Database,
    DatabaseUnavailable,
    PoolExhausted,
    PostgresConfig,
    TransactionConflict,
)
from msaas.telemetry import Metrics

Opener: TypeAlias = Callable[..., Awaitable[Database]]
ALICE = UUID("0192a000-0000-7000-8000-00000000000a")
BOB = UUID("0192a000-0000-7000-8000-00000000000b")
STATE = """
SELECT current_user::text AS role, current_setting('request.jwt.claims', true) AS claims,
       current_setting('lock_timeout') AS lock_timeout, current_setting('work_mem') AS work_mem,
       current_setting('idle_in_transaction_session_timeout') AS idle_timeout,
       current_setting('transaction_timeout') AS transaction_timeout,
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') AS locks
"""


@pytest.fixture
async def notes(database: Database) -> Database:
    async with database.transaction() as connection:
        rows = [(ALICE, "a1"), (ALICE, "a2"), (BOB, "b1")]
        await connection.executemany("INSERT INTO notes (user_id, body) VALUES ($1, $2)", rows)
    return database


async def read_state(database: Database) -> dict[str, object]:
    """Read the settings that the next user of the only connection gets."""
    async with database.connection() as connection:
        row = await connection.fetchrow(STATE)
    assert row is not None
    return {**row, "claims": row["claims"] or None}


async def test_a_user_reads_only_own_rows(notes: Database) -> None:
    async with notes.read_as(ALICE) as connection:
        assert len(await connection.fetch("SELECT body FROM notes")) == 2
    async with notes.read_as(str(BOB)) as connection:
        assert await connection.fetchval("SELECT body FROM notes") == "b1"


async def test_a_user_cannot_write(notes: Database) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with notes.read_as(ALICE) as connection:
            await connection.execute("CREATE TABLE mine ()")


async def test_claims_and_role_end_with_the_transaction(
    notes_url: str, open_database: Opener
) -> None:
    database = await open_database(notes_url, max_size=1)
    before = await read_state(database)
    async with database.read_as(ALICE) as connection:
        assert await connection.fetchval("SELECT current_user::text") == "authenticated"
    assert await read_state(database) == before
    with pytest.raises(asyncpg.UndefinedTableError):
        async with database.read_as(ALICE) as connection:
            await connection.execute("SELECT * FROM nowhere")
    assert await read_state(database) == before
    async with database.transaction() as connection:
        assert await connection.fetchval("SHOW lock_timeout") == "250ms"
        assert await connection.fetchval("SHOW idle_in_transaction_session_timeout") == "5s"
    assert await read_state(database) == before


async def test_what_a_caller_sets_for_the_session_is_undone(
    notes_url: str, open_database: Opener
) -> None:
    database = await open_database(notes_url, max_size=1)
    before = await read_state(database)
    async with database.transaction() as connection:
        await connection.execute("SET work_mem = '9MB'")
        await connection.execute("SET ROLE authenticated")
    assert await read_state(database) == before
    async with database.connection() as connection:
        await connection.execute("SET SESSION request.jwt.claims = '{}'")
        await connection.execute("SELECT pg_advisory_lock(1)")
        await connection.execute("SET ROLE authenticated")
    assert await read_state(database) == before


async def test_a_cancelled_read_leaves_nothing_behind(
    notes_url: str, open_database: Opener
) -> None:
    database = await open_database(notes_url, max_size=1)
    before = await read_state(database)
    reached = asyncio.Event()

    async def read_for_long() -> None:
        async with database.read_as(ALICE) as connection:
            reached.set()
            await connection.execute("SELECT pg_sleep(60)")

    task = asyncio.create_task(read_for_long())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await read_state(database) == before


TAMPERED = ["", "not-a-uuid", f"{ALICE}'; DROP TABLE notes; --", f'{ALICE}","role":"service_role']


@pytest.mark.parametrize("user_id", TAMPERED)
async def test_a_tampered_user_id_never_reaches_the_server(notes: Database, user_id: str) -> None:
    with pytest.raises(ValueError, match="UUID"):
        async with notes.read_as(user_id):
            pass
    async with notes.read_as(ALICE) as connection:
        assert await connection.fetchval("SELECT count(*) FROM notes") == 2


async def test_a_login_that_may_not_become_the_user_fails_and_frees_its_connection(
    database_url: str, open_database: Opener
) -> None:
    admin = await open_database(database_url)
    role = f"loner_{uuid4().hex}"
    async with admin.connection() as connection:
        await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'")
    try:
        parts = urlsplit(database_url)
        address = f"{role}:pw@{parts.hostname}:{parts.port}"
        loner = await open_database(parts._replace(netloc=address).geturl(), max_size=1)
        for _ in range(2):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with loner.read_as(ALICE):
                    pass
        await loner.ping()
        await loner.close()
    finally:
        async with admin.connection() as connection:
            await connection.execute(f"DROP ROLE {role}")


async def test_a_unique_violation_passes_and_the_transaction_is_undone(notes: Database) -> None:
    async def insert_twice() -> None:
        async with notes.transaction() as connection:
            await connection.execute("INSERT INTO notes (user_id, body) VALUES ($1, 'c')", BOB)
            await connection.execute("INSERT INTO notes (user_id, body) VALUES ($1, 'c')", BOB)

    with pytest.raises(asyncpg.UniqueViolationError):
        await insert_twice()
    async with notes.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM notes WHERE body = 'c'") == 0


async def test_a_swallowed_error_does_not_look_like_a_commit(notes: Database) -> None:
    async def fail_and_go_on() -> None:
        async with notes.transaction() as connection:
            with suppress(asyncpg.UndefinedTableError):
                await connection.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await fail_and_go_on()


async def test_a_locked_row_is_contended_after_the_lock_timeout(notes: Database) -> None:
    lock = "SELECT 1 FROM notes WHERE body = 'a1' FOR UPDATE"
    async with notes.transaction() as holder:
        await holder.execute(lock)
        with pytest.raises(TransactionConflict):
            async with notes.transaction(lock_timeout=0.02) as waiter:
                await waiter.execute(lock)


async def test_a_transaction_that_idles_ends_with_its_session_and_frees_its_locks(
    notes: Database, notes_url: str, open_database: Opener
) -> None:
    idle = await open_database(notes_url, idle_transaction_timeout=0.05)
    lock = "SELECT 1 FROM notes WHERE body = 'a1' FOR UPDATE"

    async def idle_until_another_has_the_lock() -> None:
        async with idle.transaction() as holder:
            await holder.execute(lock)
            async with notes.transaction(lock_timeout=30) as waiter:
                await waiter.execute(lock)
            await holder.execute(lock)

    with pytest.raises(DatabaseUnavailable):
        await idle_until_another_has_the_lock()
    await idle.ping()


async def test_a_transaction_that_lasts_too_long_ends_with_its_session(notes: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with notes.transaction(time_limit=0.05) as connection:
            await connection.execute("SELECT pg_sleep(60)")
    await notes.ping()


async def test_the_server_probes_the_hosts_of_its_clients(database: Database) -> None:
    async with database.connection() as connection:
        assert await connection.fetchval("SHOW tcp_keepalives_idle") == "10"
        assert await connection.fetchval("SHOW tcp_user_timeout") == "25000"


async def test_an_exhausted_pool_is_reported_in_time_and_recovers(
    notes_url: str, open_database: Opener, metrics: Metrics
) -> None:
    database = await open_database(notes_url, max_size=1, acquire_timeout=0.05)
    async with database.transaction():
        assert series(metrics, "db_pool_in_use") == 1
        with pytest.raises(PoolExhausted) as refusal:
            await database.ping()
    assert refusal.value.context["retry_after"] == 1
    await database.ping()
    assert series(metrics, "db_pool_in_use") == 0
    assert series(metrics, "db_pool_wait_seconds_count") >= 3


async def test_a_slow_statement_is_timed_out_and_the_server_is_not_blamed(
    notes_url: str, open_database: Opener
) -> None:
    database = await open_database(notes_url, command_timeout=0.1)
    with pytest.raises(CommandTimeout):
        async with database.transaction() as connection:
            await connection.execute("SELECT pg_sleep(60)")
    await database.ping()


async def test_a_slow_query_is_logged_with_its_text_and_without_its_values(
    notes_url: str, open_database: Opener, metrics: Metrics
) -> None:
    database = await open_database(notes_url, slow_query_threshold=0.01)
    sql = "SELECT pg_sleep(0.05), $1::text"
    with capture_logs() as logs:
        async with database.connection() as connection:
            await connection.fetch(sql, "planted-secret")
    slow = [entry for entry in logs if entry["event"] == "slow_query"]
    # A slow machine also returns the session late.
    assert sql in [entry["sql"] for entry in slow]
    assert "planted-secret" not in str(logs)
    assert series(metrics, "db_slow_queries_total") == len(slow)


async def test_a_server_that_is_not_there_is_a_typed_error_not_a_failed_start(
    open_database: Opener,
) -> None:
    database = await open_database("postgresql://u:hunter2@127.0.0.1:1/app")
    with pytest.raises(DatabaseUnavailable) as failure:
        await database.ping()
    assert "hunter2" not in f"{failure.value!r} {failure.value.context}"


async def test_closing_waits_a_moment_and_then_cuts(notes_url: str, open_database: Opener) -> None:
    database = await open_database(notes_url)

    async def hold_on() -> None:
        async with database.transaction() as connection:
            await database.close(grace=0.05)
            await connection.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailable):
        await hold_on()


async def test_a_database_that_was_not_opened_raises(metrics: Metrics) -> None:
    database = Database(PostgresConfig("postgresql://h/app"), metrics)
    with pytest.raises(RuntimeError, match="not open"):
        await database.ping()
    await database.close()


def series(metrics: Metrics, name: str) -> float:
    """Read the only series of a metric without labels."""
    samples = (line for line in metrics.render().decode().splitlines() if line.startswith(name))
    return float(next(samples).split()[-1])
