"""The SQLAlchemy engine: the same bounds, the same errors."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from msaas.kernel import CommandTimeout
from msaas.postgres import DatabaseUnavailable, PoolExhausted, PostgresConfig, create_engine
from msaas.telemetry import Metrics


@pytest.fixture
async def engine(notes_url: str, metrics: Metrics) -> AsyncIterator[AsyncEngine]:
    postgres_config = PostgresConfig(
        notes_url, acquire_timeout=0.05, command_timeout=0.5, slow_query_threshold=0.01
    )
    engine = create_engine(postgres_config, size=1, metrics=metrics)
    yield engine
    await engine.dispose()


async def test_waiting_for_a_connection_ends(engine: AsyncEngine) -> None:
    async with engine.connect():
        with pytest.raises(PoolExhausted):
            await engine.connect()


async def test_a_statement_ends(engine: AsyncEngine) -> None:
    with pytest.raises(CommandTimeout):
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(60)"))


async def test_a_unique_violation_keeps_its_meaning(engine: AsyncEngine) -> None:
    insert = text("INSERT INTO notes (user_id, body) VALUES (gen_random_uuid(), 'same')")
    async with engine.begin() as connection:
        await connection.execute(insert)
        with pytest.raises(IntegrityError):
            await connection.execute(insert)
        await connection.rollback()


async def test_a_slow_statement_is_logged_without_its_values(engine: AsyncEngine) -> None:
    with capture_logs() as logs:
        async with engine.connect() as connection:
            await connection.execute(
                text("SELECT pg_sleep(0.05), CAST(:secret AS text)"), {"secret": "planted-secret"}
            )
    assert [entry["event"] for entry in logs] == ["slow_query"]
    assert "planted-secret" not in str(logs)


async def test_a_server_that_is_not_there_is_typed() -> None:
    engine = create_engine(PostgresConfig("postgresql://u:p@127.0.0.1:1/app"))
    with pytest.raises(DatabaseUnavailable):
        await engine.connect()
    await engine.dispose()
