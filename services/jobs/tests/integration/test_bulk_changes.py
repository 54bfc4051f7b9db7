"""Bulk changes: every job is changed once, whatever is lost or delivered twice in between."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from services.jobs.tests.support import (
    ECHO,
    AddUser,
    FakeWorkerQueue,
    Gateway,
    RunCommands,
    StartService,
)

from msaas.contracts import BulkAction, ChangeJobs, ContinueBulkChange, Plan
from msaas.jobs.adapters.postgres.bulk import PostgresBulk
from msaas.jobs.adapters.postgres.intake import PostgresIntake
from msaas.jobs.adapters.postgres.store import PostgresStore
from msaas.jobs.application import bulk_changes
from msaas.jobs.application.bulk_changes import BulkChanges
from msaas.jobs.application.process_commands import ProcessCommands
from msaas.jobs.domain.errors import CommandExpired, UserNotFound
from msaas.postgres import Database
from msaas.telemetry import Metrics
from msaas.testing import build_submit_job, wait_until

INSERT = """
INSERT INTO jobs.jobs (id, user_id, task_type, payload, status, max_attempts, source,
  correlation_id, billable, finished_at)
SELECT id, $2, 'echo', '{"message": "x"}', $3, 3, 'api', 'c', false,
  CASE WHEN $3 <> 'PENDING' THEN now() END
FROM unnest($1::uuid[]) AS given (id)
"""


@pytest.fixture
def bulk(
    database: Database, workers: FakeWorkerQueue, monkeypatch: pytest.MonkeyPatch
) -> BulkChanges:
    monkeypatch.setattr(bulk_changes, "PART_SIZE", 3)
    process = ProcessCommands(
        PostgresStore(database, PostgresIntake),
        workers,
        Metrics("jobs", "test"),
        request_dispatch=lambda: None,
    )
    return BulkChanges(PostgresBulk(database), process)


@pytest_asyncio.fixture
async def add_account(add_user: AddUser, run_commands: RunCommands) -> AddUser:
    """Add users who have submitted a job."""

    async def add() -> UUID:
        user = await add_user()
        await run_commands(build_submit_job(user_id=user, plan=Plan.FREE, payload=ECHO))
        return user

    return add


async def insert(rows: asyncpg.Connection, user: UUID, status: str, count: int) -> list[UUID]:
    ids = [uuid4() for _ in range(count)]
    await rows.execute(INSERT, ids, user, status)
    return ids


class Broker:
    """Holds the commands that were published; any may be lost, or delivered again."""

    def __init__(self, bulk: BulkChanges, user: UUID) -> None:
        self.bulk, self.user = bulk, user
        self.queue: list[ContinueBulkChange] = []
        self.handled: list[ContinueBulkChange] = []
        self.published: set[UUID] = set()

    async def handle_next(self, *, crash: bool = False) -> None:
        """Handle the first command; a crash is after the commit and before the publication."""
        if not self.queue:
            return
        command = self.queue[0]
        finished = await self.bulk.proceed(command, "c", None)
        if crash:
            return
        self.handled.append(self.queue.pop(0))
        if finished is not None:
            self.published |= {snapshot.id for snapshot in finished.processed.snapshots}
            self.queue += [finished.following] if finished.following else []


STEPS = st.lists(st.sampled_from(["handle", "crash", "lose", "repeat"]), max_size=12)


@settings(
    max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(steps=STEPS, action=st.sampled_from(list(BulkAction)))
async def test_each_job_is_changed_and_published_once_or_refused(
    bulk: BulkChanges,
    add_account: AddUser,
    rows: asyncpg.Connection,
    database: Database,
    steps: Sequence[str],
    action: BulkAction,
) -> None:
    user, other = await add_account(), await add_account()
    before = "PENDING" if action is BulkAction.CANCEL else "FAILED"
    changeable = await insert(rows, user, before, 8)
    foreign = await insert(rows, other, before, 1)
    done_before = await insert(rows, user, "COMPLETED", 1)
    ids = (*changeable[:4], *foreign, uuid4(), *done_before, *changeable[4:])
    command = ChangeJobs(bulk_id=uuid4(), user_id=user, action=action, job_ids=ids)
    assert await bulk.begin(command, has_expired=False) == len(ids)
    assert await bulk.begin(command, has_expired=True) == len(ids)  # delivered again
    broker = Broker(bulk, user)
    broker.queue.append(ContinueBulkChange(bulk_id=command.bulk_id, user_id=user))
    for step in steps:
        match step:
            case "lose":
                broker.queue.clear()
            case "repeat":
                broker.queue += broker.handled[-1:]
            case _:
                await broker.handle_next(crash=step == "crash")
    unfinished = "SELECT finished_at IS NULL FROM jobs.bulk_changes WHERE id = $1"
    # What was not acknowledged is delivered again, also where its part has been committed.
    while broker.queue or await rows.fetchval(unfinished, command.bulk_id):
        if not broker.queue:  # what the timer does
            await rows.execute("UPDATE jobs.bulk_changes SET touched_at = '2000-01-01'")
            (stalled,) = await PostgresBulk(database).list_stalled()
            broker.queue.append(
                ContinueBulkChange(bulk_id=stalled.bulk_id, user_id=user, done=stalled.done)
            )
        await broker.handle_next()
    row = await rows.fetchrow("SELECT * FROM jobs.bulk_changes WHERE id = $1", command.bulk_id)
    assert row
    assert (row["done"], row["total"]) == (11, 11)
    assert sorted(row["changed_job_ids"]) == sorted(changeable)
    after = "CANCELLED" if action is BulkAction.CANCEL else "PENDING"
    assert broker.handled
    query = "SELECT id, status, version FROM jobs.jobs WHERE id = ANY($1::uuid[])"
    found = {r["id"]: (r["status"], r["version"]) for r in await rows.fetch(query, list(ids))}
    assert {found[job_id] for job_id in changeable} == {(after, 2)}
    assert (found[foreign[0]], found[done_before[0]]) == ((before, 1), ("COMPLETED", 1))
    if "lose" not in steps:
        assert set(changeable) <= broker.published
    assert await PostgresBulk(database).list_stalled() == []


async def test_a_bulk_change_needs_its_user_and_comes_in_time(
    bulk: BulkChanges, add_user: AddUser, rows: asyncpg.Connection
) -> None:
    user = await add_user()
    options: dict[str, Any] = {"action": BulkAction.CANCEL, "job_ids": ()}
    late = ChangeJobs(bulk_id=uuid4(), user_id=user, **options)
    with pytest.raises(CommandExpired):
        await bulk.begin(late, has_expired=True)
    with pytest.raises(UserNotFound):
        await bulk.begin(ChangeJobs(bulk_id=uuid4(), user_id=uuid4(), **options), has_expired=False)
    assert await bulk.begin(late, has_expired=False) == 0
    other_user = ContinueBulkChange(bulk_id=late.bulk_id, user_id=uuid4())
    assert await bulk.proceed(other_user, "c", None) is None
    assert await rows.fetchval("SELECT finished_at IS NOT NULL FROM jobs.bulk_changes")


async def test_the_service_carries_a_bulk_change_out_within_the_quota(
    start_service: StartService, gateway: Gateway, add_account: AddUser, rows: asyncpg.Connection
) -> None:
    user = await add_account()
    await start_service()
    ids = await insert(rows, user, "FAILED", 230)
    command = ChangeJobs(bulk_id=uuid4(), user_id=user, action=BulkAction.RETRY, job_ids=tuple(ids))
    replies = await asyncio.gather(gateway.call(command), gateway.call(command))
    assert [(reply.ok, reply.data["total"]) for reply in replies] == [(True, 230)] * 2

    async def is_finished() -> bool:
        return bool(
            await rows.fetchval("SELECT bool_and(finished_at IS NOT NULL) FROM jobs.bulk_changes")
        )

    await wait_until(is_finished)
    failed = await rows.fetchval("SELECT count(*) FROM jobs.jobs WHERE status = 'FAILED'")
    changed = await rows.fetchval("SELECT cardinality(changed_job_ids) FROM jobs.bulk_changes")
    assert (failed, changed) == (131, 99)  # a job of the quota of 100 was used before
