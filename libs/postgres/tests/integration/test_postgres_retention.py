"""The engine of retention: batches in short transactions, one process at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from msaas.kernel import DependencyUnavailable
from msaas.postgres import (
    Batch,
    BeginRemoval,
    Database,
    DatabaseConnection,
    ExpiringRows,
    Key,
    Page,
    Removal,
    Retention,
    RetentionRule,
    RetentionTask,
)
from msaas.telemetry import Metrics
from msaas.testing import GENEROUS_TIMEOUT

Opener: TypeAlias = Callable[..., Awaitable[Database]]
SCHEMA = """
CREATE TABLE events (id uuid PRIMARY KEY, at timestamptz NOT NULL, body text, kept boolean);
CREATE INDEX events_by_time ON events (at, id);
"""
RULE = ExpiringRows(
    name="events",
    kept="a day",
    table="events",
    order={"at": "timestamptz", "id": "uuid"},
    expired="t.at < now() - interval '1 day'",
    due="NOT t.kept",
)


@pytest.fixture
async def events(database_url: str, open_database: Opener) -> Database:
    database = await open_database(database_url, max_size=4)
    async with database.connection() as connection:
        await connection.execute(SCHEMA)
    return database


async def insert(database: Database, days: Sequence[float], *, kept: bool = False) -> list[UUID]:
    ids = [uuid4() for _ in days]
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO events SELECT id, now() - days * interval '1 day', 'b', $3"
            " FROM unnest($1::uuid[], $2::float8[]) AS given (id, days)",
            *(ids, days, kept),
        )
    return ids


async def count(database: Database, condition: str = "true") -> int:
    async with database.connection() as connection:
        return await connection.fetchval(f"SELECT count(*) FROM events WHERE {condition}")


def build(database: Database, *rules: RetentionRule) -> Retention:
    return Retention("tests", database, rules or [RULE], Metrics("tests", "test"))


async def run(retention: Retention) -> Sequence[int]:
    async with asyncio.timeout(GENEROUS_TIMEOUT):
        return [counted.rows for counted in await retention.run()]


async def test_it_removes_what_is_due_and_walks_past_what_is_kept(events: Database) -> None:
    await insert(events, [3.0] * 150, kept=True)
    await insert(events, [2.0] * 150)
    await insert(events, [0.5] * 5)
    retention = build(events)
    assert [counted.rows for counted in await retention.plan()] == [150]
    assert await run(retention) == [150]
    assert (await count(events), await count(events, "kept")) == (155, 150)


async def test_batches_are_bounded_also_where_all_rows_have_one_time(events: Database) -> None:
    async with events.connection() as connection:
        await connection.execute(
            "INSERT INTO events SELECT gen_random_uuid(), '2020-01-01Z', 'b', false"
            " FROM generate_series(1, 3000)"
        )
    batches: list[Batch] = []
    await build(events).run(batches.append)
    assert sum(batch.removed for batch in batches) == 3_000
    assert max(batch.removed for batch in batches) <= 1_000
    assert await count(events) == 0


async def test_columns_are_dropped_with_related_rows_and_the_row_stays(events: Database) -> None:
    await insert(events, [2.0] * 3)
    async with events.connection() as connection:
        await connection.execute(
            "CREATE TABLE notes AS SELECT id AS event, 'n' AS body FROM events"
        )
    rule = ExpiringRows(
        name="bodies",
        kept="a day",
        table="events",
        order=RULE.order,
        expired=f"{RULE.expired} AND t.body IS NOT NULL",
        changes="body = NULL",
        related="DELETE FROM notes n USING due WHERE n.event = due.id",
    )
    assert await run(build(events, rule)) == [3]
    assert await count(events, "body IS NULL") == 3
    async with events.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM notes") == 0


class SlowRule:
    """Takes longer than a statement may, until its batches are small."""

    name, kept = "slow", "a day"

    def __init__(self) -> None:
        self.limits: list[int] = []

    async def find(self, connection: DatabaseConnection, after: Key | None, limit: int) -> Page:
        return Page([(number,) for number in range(limit)], limit, None)

    async def remove(self, begin: BeginRemoval, due: Sequence[Key], limit: int) -> Removal:
        self.limits.append(limit)
        async with begin() as connection:
            await connection.execute("SELECT pg_sleep($1)", 60.0 if limit > 10 else 0.0)
        return Removal(limit)


async def test_a_statement_that_holds_its_locks_too_long_is_ended_and_its_batch_halved(
    events: Database,
) -> None:
    rule = SlowRule()
    retention = build(events, rule)
    async with asyncio.timeout(GENEROUS_TIMEOUT):
        [counted] = await retention.run()
    assert rule.limits[:2] == [50, 25]
    assert not counted.has_failed
    assert 0 < counted.rows <= 10


async def test_a_class_that_fails_is_named_and_the_next_one_is_done(events: Database) -> None:
    await insert(events, [2.0])

    async def refuse(_keys: Sequence[Key]) -> None:
        raise DependencyUnavailable(target="store")

    failing = ExpiringRows(
        name="failing",
        kept="a day",
        table="events",
        order=RULE.order,
        expired=RULE.expired,
        before=refuse,
    )
    retention = build(events, failing, RULE)
    with capture_logs() as logs:
        counts = await retention.run()
    assert [(counted.data_class, counted.has_failed) for counted in counts] == [
        ("failing", True),
        ("events", False),
    ]
    assert [line["data_class"] for line in logs if line["event"] == "retention_failed"] == [
        "failing"
    ]
    assert await count(events) == 0


async def test_another_process_is_not_disturbed(events: Database) -> None:
    """A task whose owner is being cleaned elsewhere waits for its next period."""
    await insert(events, [2.0])
    task = RetentionTask(build(events), jitter=lambda: 0.5, period=100.0)
    assert (await task()).seconds == 50.0  # the first pass does not begin with the process
    async with events.transaction() as connection:
        lock = "SELECT pg_advisory_xact_lock(hashtextextended('msaas.retention.tests', 0))"
        await connection.execute(lock)
        assert (await task()).seconds == 100.0
    assert await count(events) == 1


async def test_the_task_removes_one_batch_a_step_and_then_waits_for_a_period(
    events: Database,
) -> None:
    await insert(events, [2.0] * 120)
    task = RetentionTask(build(events), jitter=lambda: 0.5, period=100.0)
    await task()
    left, waits = [120], [0.0]
    async with asyncio.timeout(GENEROUS_TIMEOUT):
        while waits[-1] < 100.0:
            waits.append((await task()).seconds)
            left.append(await count(events))
    assert left[1] >= 120 - 50
    assert left[-1] == 0
