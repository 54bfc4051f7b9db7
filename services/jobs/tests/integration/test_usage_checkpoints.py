"""Old usage is rolled up into checkpoints, and the chain can still be verified from there."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from msaas.cli.audit import AuditResult, audit
from msaas.contracts import usage_hash
from msaas.jobs.adapters.postgres.retention import UsageRollUp
from msaas.postgres import Database, Retention
from msaas.telemetry import Metrics

OLD = datetime.now(UTC) - timedelta(days=30 * 27)
INSERT = """
INSERT INTO jobs.usage_events
  (subject_id, seq, kind, quantity, job_id, period_start, occurred_at, prev_hash, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
COUNTER = """
INSERT INTO jobs.usage_counters (id, subject_id, plan, period_start, period_end, jobs_used)
VALUES (gen_random_uuid(), $1, 'PRO', $2::timestamptz, $2::timestamptz + interval '1 second', $3)
"""
CHECKPOINTS = """
SELECT first_seq, last_seq, period_start, completions, corrections, head
FROM jobs.usage_checkpoints WHERE subject_id = $1 ORDER BY first_seq
"""


class Chain:
    """Appends events to the chain of one erased user, whose jobs are gone."""

    def __init__(self, rows: asyncpg.Connection) -> None:
        self.rows = rows
        self.subject = uuid4()
        self.seq, self.head = 0, bytes(32)

    async def begin(self) -> "Chain":
        sql = "INSERT INTO jobs.subjects (subject_id, period_start, period_end) VALUES ($1, $2, $3)"
        await self.rows.execute(sql, self.subject, OLD, OLD + timedelta(days=4_000))
        return self

    async def append(
        self, period: datetime, at: datetime = OLD, kind: str = "job_completed", quantity: int = 1
    ) -> None:
        self.seq += 1
        job_id = uuid4() if kind == "job_completed" else None
        hashed = usage_hash(
            self.subject, self.seq, job_id or UUID(int=0), quantity, at, self.head.hex()
        )
        values = (self.seq, kind, quantity, job_id, period, at, self.head, bytes.fromhex(hashed))
        await self.rows.execute(INSERT, self.subject, *values)
        self.head = bytes.fromhex(hashed)

    async def count(self, period: datetime, used: int) -> None:
        await self.rows.execute(COUNTER, self.subject, period, used)

    async def roll_up(self, most: int = 1_000) -> int:
        async with self.rows.transaction():
            await self.rows.execute("SET LOCAL SESSION AUTHORIZATION svc_jobs")
            return await self.rows.fetchval("SELECT jobs.roll_up_usage($1, $2)", self.subject, most)

    async def checkpoints(self) -> Sequence[tuple[object, ...]]:
        return [tuple(row) for row in await self.rows.fetch(CHECKPOINTS, self.subject)]

    async def events(self) -> Sequence[int]:
        sql = "SELECT seq FROM jobs.usage_events WHERE subject_id = $1 ORDER BY seq"
        return [row["seq"] for row in await self.rows.fetch(sql, self.subject)]


@pytest.fixture
async def chain(rows: asyncpg.Connection) -> Chain:
    return await Chain(rows).begin()


async def find_violations(rows: asyncpg.Connection) -> Mapping[str, Sequence[str]]:
    results: Sequence[AuditResult] = await audit(rows)
    return {
        result.check.invariant: [violation.problem for violation in result.violations]
        for result in results
        if result.violations
    }


async def test_a_checkpoint_has_the_sums_and_the_head_of_what_it_replaces(chain: Chain) -> None:
    first, second = OLD, OLD + timedelta(days=1)
    for _ in range(3):
        await chain.append(first)
    await chain.append(first, kind="reconciliation_adjustment", quantity=-1)
    head_of_first = chain.head
    await chain.append(second)
    head_of_second = chain.head
    await chain.append(second, datetime.now(UTC))
    assert [await chain.roll_up(), await chain.roll_up(), await chain.roll_up()] == [4, 1, 0]
    assert await chain.checkpoints() == [
        (1, 4, first, 3, -1, head_of_first),
        (5, 5, second, 1, 0, head_of_second),
    ]
    assert await chain.events() == [6]


async def test_a_large_period_is_rolled_up_piece_by_piece_into_one_checkpoint(
    chain: Chain, database: Database
) -> None:
    for _ in range(25):
        await chain.append(OLD)
    assert await chain.roll_up(10) == 10
    assert await chain.roll_up(10) == 10
    retention = Retention("jobs", database, [UsageRollUp()], Metrics("jobs", "test"))
    assert [count.rows for count in await retention.plan()] == [5]
    assert [count.rows for count in await retention.run()] == [5]
    assert await chain.checkpoints() == [(1, 25, OLD, 25, 0, chain.head)]


async def test_the_audit_verifies_the_chain_from_its_checkpoint(
    chain: Chain, rows: asyncpg.Connection
) -> None:
    second = OLD + timedelta(days=1)
    for period in (OLD, OLD, second):
        await chain.append(period)
    await chain.append(second, datetime.now(UTC))
    await chain.count(OLD, 2)
    await chain.count(second, 2)
    assert await find_violations(rows) == {}
    assert await chain.roll_up() == 2
    assert await find_violations(rows) == {}
    assert await chain.roll_up() == 1
    await chain.append(second, datetime.now(UTC))
    await rows.execute(
        "UPDATE jobs.usage_counters SET jobs_used = 3 WHERE period_start = $1", second
    )
    assert await find_violations(rows) == {}


async def test_the_audit_finds_a_counter_that_the_checkpoints_do_not_explain(
    chain: Chain, rows: asyncpg.Connection
) -> None:
    await chain.append(OLD)
    await chain.count(OLD, 1)
    await chain.roll_up()
    await rows.execute("UPDATE jobs.usage_counters SET jobs_used = 2")
    assert list(await find_violations(rows)) == ["counter = events = completed jobs"]


@pytest.mark.parametrize(
    ("change", "invariant"),
    [
        ("head = sha256('forged')", "each link of a chain follows the previous one"),
        ("last_seq = 3", "each link of a chain follows the previous one"),
        ("first_seq = 2", "checkpoints follow each other"),
        ("completions = 1", "counter = events = completed jobs"),
    ],
)
async def test_the_audit_finds_a_checkpoint_that_was_changed(
    chain: Chain, rows: asyncpg.Connection, change: str, invariant: str
) -> None:
    for at in (OLD, OLD, datetime.now(UTC)):
        await chain.append(OLD, at)
    await chain.count(OLD, 3)
    assert await chain.roll_up() == 2
    await rows.execute("ALTER TABLE jobs.usage_checkpoints DISABLE TRIGGER ALL")
    await rows.execute(f"UPDATE jobs.usage_checkpoints SET {change}")
    assert invariant in await find_violations(rows)


async def test_a_chain_that_was_rolled_up_whole_ends_at_its_head(
    chain: Chain, rows: asyncpg.Connection
) -> None:
    await chain.append(OLD)
    await chain.count(OLD, 1)
    await chain.roll_up()
    assert await find_violations(rows) == {}
    await rows.execute("UPDATE jobs.subjects SET last_seq = 2")
    assert list(await find_violations(rows)) == ["a chain ends at its subject's head"]


FORGED = """
INSERT INTO jobs.usage_checkpoints (subject_id, first_seq, last_seq, period_start, head)
SELECT subject_id, 1, {last}, '{period}', sha256('') FROM jobs.subjects
"""


@pytest.mark.parametrize("login", ["svc_jobs", "postgres"])
@pytest.mark.parametrize(
    "forged",
    [
        FORGED.format(last=1, period=OLD),
        FORGED.format(last=3, period=OLD),
        "DELETE FROM jobs.usage_events WHERE seq = 1",
    ],
)
async def test_young_or_missing_events_cannot_be_rolled_up_by_anyone(
    chain: Chain, rows: asyncpg.Connection, forged: str, login: str
) -> None:
    for _ in range(2):
        await chain.append(OLD, datetime.now(UTC))
    await rows.execute(f"SET SESSION AUTHORIZATION {login}")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await rows.execute(forged)
    assert await chain.events() == [1, 2]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE jobs.usage_checkpoints SET completions = 9",
        "DELETE FROM jobs.usage_checkpoints",
        "TRUNCATE jobs.usage_checkpoints",
    ],
)
async def test_even_a_superuser_changes_no_checkpoint(
    chain: Chain, rows: asyncpg.Connection, change: str
) -> None:
    await chain.append(OLD)
    await chain.roll_up()
    with pytest.raises(asyncpg.RestrictViolationError):
        await rows.execute(change)


async def test_a_broken_chain_is_left_for_the_audit_and_stops_no_other(
    rows: asyncpg.Connection, database: Database
) -> None:
    chains = [await Chain(rows).begin() for _ in range(3)]
    for each in chains:
        await each.append(OLD)
    await rows.execute("ALTER TABLE jobs.usage_events DISABLE TRIGGER ALL")
    forged = "UPDATE jobs.usage_events SET quantity = 5 WHERE subject_id = $1"
    await rows.execute(forged, chains[1].subject)
    await rows.execute("ALTER TABLE jobs.usage_events ENABLE TRIGGER ALL")
    retention = Retention("jobs", database, [UsageRollUp()], Metrics("jobs", "test"))
    with capture_logs() as logs:
        assert [count.rows for count in await retention.run()] == [2]
    assert [line["subject_id"] for line in logs if line["event"] == "usage_roll_up_refused"] == [
        str(chains[1].subject)
    ]
    assert [len(await each.events()) for each in chains] == [0, 1, 0]
