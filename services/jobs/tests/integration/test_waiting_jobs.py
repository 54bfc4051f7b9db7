"""A job that waits for its children or for a time holds no slot, and every wait ends."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from services.jobs.tests.support import (
    BuildJob,
    Given,
    GivenRun,
    MakeResults,
    OpenDatabase,
    ReadCharges,
    ReadEnvelopes,
    ResultsHarness,
    RunCommands,
    RunTick,
    StartService,
)

from msaas.contracts import CancelJob, DeadlinePassed, LossReason, WakeJob
from msaas.jobs.adapters.postgres.leases import PostgresLeases
from msaas.postgres import Database, TransactionConflict
from msaas.testing import wait_until

SOON = timedelta(hours=1)
DUE = "finished_at IS NULL AND dispatched_at IS NULL AND waiting_for IS NULL"
Ends = Callable[[Any], Awaitable[Any]]


@pytest.fixture
def is_woken(rows: asyncpg.Connection) -> Callable[[Any], Awaitable[bool]]:
    async def is_woken_(run: GivenRun) -> bool:
        sql = f"SELECT {DUE} AND status = 'RUNNING' FROM jobs.jobs WHERE id = $1"
        return await rows.fetchval(sql, run.job)

    return is_woken_


@pytest.fixture(params=["succeeded", "failed", "cancelled", "overdue"])
def end(
    request: pytest.FixtureRequest,
    results: ResultsHarness,
    run_commands: RunCommands,
    rows: asyncpg.Connection,
) -> Ends:
    """End a child in each way that there is."""

    async def end_(child: GivenRun) -> None:
        match request.param:
            case "succeeded":
                await results.persist(child.succeeded())
            case "failed":
                await results.persist(child.failed(retryable=False))
            case "cancelled":
                await run_commands(CancelJob(job_id=child.job, user_id=child.user))
            case _:
                sql = "UPDATE jobs.jobs SET deadline_at = now() - interval '1 s' WHERE id = $1"
                await rows.execute(sql, child.job)
                await run_commands(DeadlinePassed(job_id=child.job, user_id=child.user))

    return end_


async def test_a_parent_wakes_when_the_last_child_has_ended_however_it_ended(
    given: Given,
    results: ResultsHarness,
    is_woken: Callable[[GivenRun], Awaitable[bool]],
    end: Ends,
) -> None:
    parent = await given.run()
    children = [await given.child(parent) for _ in range(2)]
    await results.persist(parent.started(), parent.waiting(*(child.job for child in children)))
    await end(children[0])
    assert not await is_woken(parent)
    await end(children[1])
    assert await is_woken(parent)


async def test_a_parent_whose_children_have_ended_does_not_wait(
    given: Given,
    results: ResultsHarness,
    is_woken: Callable[[GivenRun], Awaitable[bool]],
    end: Ends,
) -> None:
    parent = await given.run()
    child = await given.child(parent)
    await results.persist(parent.started())
    await end(child)
    await results.persist(parent.waiting(child.job))
    assert await is_woken(parent)
    assert (await given.attempt(parent))["outcome"] == "waiting"


async def test_a_child_that_ends_in_the_same_batch_wakes_its_parent(
    given: Given, results: ResultsHarness, is_woken: Callable[[GivenRun], Awaitable[bool]]
) -> None:
    parent = await given.run()
    child = await given.child(parent)
    await results.persist(child.succeeded(), parent.waiting(child.job))
    assert await is_woken(parent)
    assert results.woken == 1


async def test_a_wait_for_a_missing_child_ends_at_once(
    given: Given, results: ResultsHarness, is_woken: Callable[[GivenRun], Awaitable[bool]]
) -> None:
    parent, other = await given.run(), await given.run()
    await results.persist(parent.waiting(uuid4(), other.job))
    assert await is_woken(parent)


async def test_a_child_that_will_be_tried_again_has_not_ended(
    given: Given, results: ResultsHarness, is_woken: Callable[[GivenRun], Awaitable[bool]]
) -> None:
    parent = await given.run()
    child = await given.child(parent)
    await results.persist(parent.waiting(child.job))
    await results.persist(child.failed())
    assert not await is_woken(parent)


async def test_children_that_end_at_once_in_two_processes_wake_their_parent_once(
    given: Given,
    make_results: MakeResults,
    open_database: OpenDatabase,
    is_woken: Callable[[GivenRun], Awaitable[bool]],
    rows: asyncpg.Connection,
) -> None:
    replicas = [make_results(await open_database()) for _ in range(2)]
    for _ in range(10):
        parent = await given.run()
        children = [await given.child(parent) for _ in range(2)]
        await replicas[0].persist(parent.waiting(*(its_child.job for its_child in children)))
        await asyncio.gather(
            *(one.persist(child.succeeded()) for one, child in zip(replicas, children, strict=True))
        )
        assert await is_woken(parent)
    assert sum(replica.woken for replica in replicas) == 10
    assert await rows.fetchval("SELECT count(*) FROM jobs.jobs WHERE waiting_for <> '{}'") == 0


async def test_a_wait_that_begins_while_the_child_ends_is_never_missed(
    given: Given,
    make_results: MakeResults,
    open_database: OpenDatabase,
    is_woken: Callable[[GivenRun], Awaitable[bool]],
) -> None:
    first, second = [make_results(await open_database()) for _ in range(2)]
    for _ in range(10):
        parent = await given.run()
        child = await given.child(parent)
        await asyncio.gather(
            first.persist(parent.waiting(child.job)), second.persist(child.succeeded())
        )
        assert await is_woken(parent)


async def test_a_waiting_parent_lends_its_slot_and_goes_before_what_is_new(
    given: Given,
    results: ResultsHarness,
    run_tick: RunTick,
    run_commands: RunCommands,
    submit_job: BuildJob,
) -> None:
    parent, other = await given.runs(2, plan="FREE")
    child = await given.child(parent, begun=False)
    new = submit_job(parent.user, priority=0)
    await run_commands(new)
    assert (await run_tick()).picked == []
    await results.persist(parent.waiting(child.job))
    [lent] = (await run_tick()).picked
    assert lent.envelope.job_id == new.job_id
    await results.persist(other.succeeded())
    [run] = (await run_tick()).picked
    assert run.envelope.job_id == child.job
    await run_commands(submit_job(parent.user, priority=0))
    await run_commands(CancelJob(job_id=child.job, user_id=parent.user))
    [woken] = (await run_tick()).picked
    assert (woken.envelope.job_id, woken.envelope.attempts) == (parent.job, 0)


async def test_a_woken_run_that_ends_completes_the_job_and_is_charged_once(
    given: Given, results: ResultsHarness, run_tick: RunTick, charges: ReadCharges
) -> None:
    parent = await given.run()
    child = await given.child(parent)
    await results.persist(parent.started(), parent.waiting(child.job))
    await results.persist(child.succeeded())
    [woken] = (await run_tick()).picked
    again = type(parent)(parent.user, parent.job, woken.envelope.fence)
    assert (await given.job(parent))["status"] == "RUNNING"
    await results.persist(again.started())
    published = await results.persist(again.succeeded())
    assert len(charges(published)) == 1
    job = await given.job(parent)
    assert (job["status"], job["waiting_for"]) == ("COMPLETED", None)
    assert await given.counted(parent) == (2, 0)


async def test_a_woken_entry_that_is_lost_is_found_by_the_sweeper_and_picked_again(
    given: Given,
    results: ResultsHarness,
    run_tick: RunTick,
    database: Database,
    rows: asyncpg.Connection,
) -> None:
    parent = await given.run()
    await results.persist(parent.started(), parent.waiting(uuid4()))
    [woken] = (await run_tick()).picked
    await rows.execute("UPDATE jobs.jobs SET dispatched_at = now() - interval '1 min'")
    seconds = timedelta(seconds=10)
    [lost] = await PostgresLeases(database).list_overdue(
        start_timeout=seconds, cancel_timeout=seconds
    )
    assert (lost.run.fence, lost.reason) == (woken.envelope.fence, "entry")
    run = type(parent)(parent.user, parent.job, woken.envelope.fence)
    await results.persist(run.lost(LossReason.STALE))
    assert [job.envelope.job_id for job in (await run_tick()).picked] == [parent.job]
    assert (await given.job(parent))["losses"] == 0


async def test_a_time_that_has_passed_wakes_and_one_that_has_not_does_not(
    given: Given,
    results: ResultsHarness,
    run_commands: RunCommands,
    is_woken: Callable[[GivenRun], Awaitable[bool]],
    rows: asyncpg.Connection,
    database: Database,
) -> None:
    parent = await given.run()
    child = await given.child(parent)
    await results.persist(parent.waiting(child.job, until=datetime.now(UTC) + SOON))
    wake = WakeJob(job_id=parent.job, user_id=parent.user)
    await run_commands(wake)
    assert not await is_woken(parent)
    assert await PostgresLeases(database).list_due_to_wake() == []
    await rows.execute("UPDATE jobs.jobs SET wake_at = now() WHERE waiting_for IS NOT NULL")
    assert [due_job.job_id for due_job in await PostgresLeases(database).list_due_to_wake()] == [
        parent.job
    ]
    await run_commands(wake)
    assert await is_woken(parent)
    await run_commands(wake)
    assert await PostgresLeases(database).list_due_to_wake() == []


async def test_a_wait_for_a_time_alone_is_not_ended_by_a_child(
    given: Given, results: ResultsHarness, is_woken: Callable[[GivenRun], Awaitable[bool]]
) -> None:
    parent = await given.run()
    child = await given.child(parent)
    await results.persist(parent.waiting(until=datetime.now(UTC) + SOON))
    await results.persist(child.succeeded())
    assert not await is_woken(parent)


async def test_a_waiting_parent_that_is_cancelled_takes_its_children_along(
    given: Given, results: ResultsHarness, run_commands: RunCommands, rows: asyncpg.Connection
) -> None:
    parent = await given.run()
    child = await given.child(parent, begun=False)
    await results.persist(parent.waiting(child.job))
    await run_commands(CancelJob(job_id=parent.job, user_id=parent.user))
    found = await rows.fetch("SELECT status, waiting_for, wake_at FROM jobs.jobs")
    assert {tuple(row) for row in found} == {("CANCELLED", None, None)}
    assert await given.counted(child) == (0, 0)


async def test_a_wait_survives_the_loss_of_redis_and_ends_on_time(
    start_service: StartService,
    given: Given,
    results: ResultsHarness,
    run_tick: RunTick,
    rows: asyncpg.Connection,
    read_envelopes: ReadEnvelopes,
) -> None:
    """A fleet that starts on an empty broker finds the wait in the database."""
    parent: GivenRun = await given.run()
    child = await given.child(parent, begun=False)
    await results.persist(parent.started(), parent.waiting(child.job))
    await start_service()
    await wait_until(read_envelopes)
    [envelope] = await read_envelopes()
    assert envelope.job_id == child.job
    await results.persist(type(parent)(parent.user, child.job, envelope.fence).succeeded())

    async def is_dispatched() -> bool:
        return parent.job in {envelope.job_id for envelope in await read_envelopes()}

    await wait_until(is_dispatched)
    sql = "SELECT count(*) FROM jobs.job_attempts WHERE job_id = $1"
    assert await rows.fetchval(sql, parent.job) == 2


async def test_a_wait_without_children_is_invalid(given: Given) -> None:
    run = await given.run()
    with pytest.raises(ValueError, match="child_ids or until"):
        run.waiting()


async def test_a_late_start_that_ends_a_child_locks_what_every_end_locks(
    given: Given,
    make_results: MakeResults,
    rows: asyncpg.Connection,
    is_woken: Callable[[GivenRun], Awaitable[bool]],
) -> None:
    """The lock of the subject keeps a parent that begins to wait from missing the end."""
    results = make_results(once=["echo"])
    parent = await given.run()
    child = await given.child(parent)
    await results.persist(child.lost(LossReason.STALE))
    await given.next_run(child)
    async with rows.transaction():
        sql = "SELECT FROM jobs.subjects WHERE user_id = $1 FOR NO KEY UPDATE"
        await rows.execute(sql, child.user)
        with pytest.raises(TransactionConflict):
            await results.persist(child.started())
    assert (await given.job(child))["status"] == "PENDING"
    await results.persist(parent.started(), parent.waiting(child.job))
    await results.persist(child.started())
    assert (await given.job(child))["failure_reason"] == "lost_worker"
    assert await is_woken(parent)
