"""The chain of usage: an event follows the head of its subject, or it is not there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import pytest

from msaas.contracts import usage_hash

AT = datetime(2026, 1, 3, 4, 5, 6, 789012, tzinfo=UTC)
INSERT = """
INSERT INTO jobs.usage_events
  (subject_id, seq, kind, quantity, job_id, period_start, occurred_at, prev_hash, hash)
SELECT $1, seq, 'job_completed', 1, job_id, '2026-01-01Z', $2, prev_hash, hash
FROM unnest($3::bigint[], $4::uuid[], $5::bytea[], $6::bytea[]) AS e (seq, job_id, prev_hash, hash)
"""
SUBJECT = """
INSERT INTO jobs.subjects (subject_id, period_start, period_end)
VALUES ($1, '2026-01-01Z', '2026-02-01Z') ON CONFLICT DO NOTHING
"""
BROKEN = asyncpg.IntegrityConstraintViolationError


class Event(NamedTuple):
    seq: int
    job_id: UUID
    prev_hash: bytes
    hash: bytes


class Subject:
    """Writes events as the service does: with the hash of the contracts."""

    def __init__(self, connection: asyncpg.Connection, subject_id: str) -> None:
        self.connection = connection
        self.id = UUID(subject_id)

    async def head(self) -> tuple[int, bytes]:
        row = await self.connection.fetchrow(
            "SELECT last_seq, head FROM jobs.subjects WHERE subject_id = $1", self.id
        )
        assert row is not None
        return row["last_seq"], row["head"]

    def event(self, seq: int, prev_hash: bytes) -> Event:
        job_id = uuid4()
        hashed = usage_hash(self.id, seq, job_id, 1, AT, prev_hash.hex())
        return Event(seq, job_id, prev_hash, bytes.fromhex(hashed))

    async def chain(self, length: int) -> list[Event]:
        seq, head = await self.head()
        events: list[Event] = []
        for number in range(1, length + 1):
            events.append(self.event(seq + number, head))
            head = events[-1].hash
        return events

    async def insert(self, events: list[Event], more: str = "") -> str:
        columns: tuple[Any, ...] = tuple(zip(*events, strict=True))
        async with self.connection.transaction():
            return await self.connection.execute(INSERT + more, self.id, AT, *columns)


@pytest.fixture
async def subject(seeded: asyncpg.Connection, ids: Mapping[str, str]) -> Subject:
    await seeded.execute("SET SESSION AUTHORIZATION svc_jobs")
    return Subject(seeded, ids["subject_a"])


@pytest.fixture
async def make_subject() -> AsyncIterator[Callable[[str], Awaitable[Subject]]]:
    """Return a maker of writers with a session of their own, all for one new subject."""
    subject_id = uuid4()
    async with AsyncExitStack() as stack:

        async def make(url: str) -> Subject:
            connection = await asyncpg.connect(url)
            stack.push_async_callback(connection.close)
            await connection.execute(SUBJECT, subject_id)
            return Subject(connection, str(subject_id))

        yield make


async def test_a_batch_links_on_and_moves_the_head(subject: Subject) -> None:
    events = await subject.chain(3)
    assert await subject.insert(events) == "INSERT 0 3"
    assert await subject.head() == (4, events[-1].hash)


async def test_an_event_that_does_not_follow_the_head_is_refused(subject: Subject) -> None:
    before = seq, head = await subject.head()
    first, second = await subject.chain(2)
    for broken in (
        [second],
        [first, subject.event(seq + 2, head)],
        [subject.event(seq + 1, bytes(32))],
        [subject.event(seq + 2, head)],
    ):
        with pytest.raises(BROKEN, match="does not follow the head"):
            await subject.insert(broken)
    assert await subject.head() == before


async def test_what_follows_each_other_may_be_added_in_any_order(subject: Subject) -> None:
    chain = await subject.chain(5)
    await subject.insert([chain[each] for each in (3, 0, 4, 1, 2)])
    assert await subject.head() == (chain[-1].seq, chain[-1].hash)


async def test_a_forged_hash_is_refused(subject: Subject) -> None:
    [event] = await subject.chain(1)
    with pytest.raises(BROKEN, match="does not hash"):
        await subject.insert([event._replace(hash=bytes(32))])
    with pytest.raises(BROKEN, match="does not hash"):
        await subject.insert([event._replace(job_id=uuid4())])


async def test_a_job_is_charged_once_and_a_repeat_does_not_move_the_head(subject: Subject) -> None:
    [event] = await subject.chain(1)
    await subject.insert([event])
    head = await subject.head()
    [again] = await subject.chain(1)
    hashed = usage_hash(subject.id, again.seq, event.job_id, 1, AT, again.prev_hash.hex())
    repeat = [again._replace(job_id=event.job_id, hash=bytes.fromhex(hashed))]
    with pytest.raises(asyncpg.UniqueViolationError, match="usage_events_one_per_job"):
        await subject.insert(repeat)
    assert await subject.insert(repeat, "ON CONFLICT DO NOTHING") == "INSERT 0 0"
    assert await subject.head() == head


async def test_an_event_without_a_job_is_hashed_with_the_nil_uuid(subject: Subject) -> None:
    seq, head = await subject.head()
    hashed = usage_hash(subject.id, seq + 1, UUID(int=0), 0, AT, head.hex())
    done = await subject.connection.execute(
        "INSERT INTO jobs.usage_events"
        " (subject_id, seq, kind, quantity, period_start, occurred_at, prev_hash, hash)"
        " VALUES ($1, $2, 'plan_changed', 0, '2026-01-01Z', $3, $4, $5)",
        *(subject.id, seq + 1, AT, head, bytes.fromhex(hashed)),
    )
    assert done == "INSERT 0 1"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE jobs.usage_events SET quantity = 2",
        "UPDATE jobs.usage_events SET user_id = NULL, details = '{\"a\": 1}'",
        "UPDATE jobs.usage_events SET hash = prev_hash",
        "DELETE FROM jobs.usage_events",
        "TRUNCATE jobs.usage_events",
    ],
)
async def test_even_a_superuser_only_appends(seeded: asyncpg.Connection, change: str) -> None:
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await seeded.execute(change)


async def test_erasure_takes_the_name_and_leaves_the_chain(seeded: asyncpg.Connection) -> None:
    await seeded.execute("UPDATE jobs.usage_events SET user_id = NULL")
    whole = await seeded.fetchval(
        "SELECT bool_and(e.user_id IS NULL AND e.hash = s.head AND e.hash = jobs.usage_hash("
        " e.subject_id, e.seq, e.job_id, e.quantity, e.occurred_at, e.prev_hash))"
        " FROM jobs.usage_events e JOIN jobs.subjects s USING (subject_id)"
    )
    assert whole is True


async def test_of_two_writers_at_one_head_one_wins(
    schema_url: str, make_subject: Callable[[str], Awaitable[Subject]]
) -> None:
    first, second = await make_subject(schema_url), await make_subject(schema_url)
    [first_event], [second_event] = await first.chain(1), await second.chain(1)
    done = await asyncio.gather(
        first.insert([first_event]), second.insert([second_event]), return_exceptions=True
    )
    assert "INSERT 0 1" in done
    assert [type(failure) for failure in done if isinstance(failure, BROKEN)] == [
        asyncpg.UniqueViolationError
    ]
    assert await first.head() in {(1, first_event.hash), (1, second_event.hash)}
