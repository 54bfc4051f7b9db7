"""Cancelling: at once if no run has begun, otherwise by a request to its worker."""

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import asyncpg
import pytest
from services.jobs.tests.support import (
    AddUser,
    BuildJob,
    FakeWorkerQueue,
    Gateway,
    ReadEnvelopes,
    ReadTopic,
    RunCommands,
    RunTick,
    StartService,
)

from msaas.contracts import CancelJob, JobStatus, Plan
from msaas.jobs.application.command_batch import CommandOutcome
from msaas.jobs.application.process_commands import ProcessedCommands
from msaas.kernel import MsaasError
from msaas.testing import wait_until
from msaas.worker import find_cancelled

AddJob = Callable[[], Awaitable[CancelJob]]
AddJobTree = Callable[..., Awaitable[list[UUID]]]

JOB = "SELECT * FROM jobs.jobs WHERE id = $1"
RUN = (
    "UPDATE jobs.jobs SET status = 'RUNNING', started_at = now(), lease_until = now() WHERE id = $1"
)
WAIT = (
    "UPDATE jobs.jobs SET status = 'RUNNING', dispatched_at = NULL, fence = NULL,"
    " waiting_for = '{}', wake_at = now() WHERE id = $1"
)
END = "UPDATE jobs.jobs SET status = '{}', finished_at = now(), reserved = false WHERE id = $1"
RESERVED = "SELECT jobs_reserved FROM jobs.usage_counters ORDER BY period_start"


@pytest.fixture
def add_job(
    run_commands: RunCommands, submit_job: BuildJob, user: UUID
) -> Callable[[], Awaitable[CancelJob]]:
    """Accept a job, and return the command that cancels it."""

    async def add() -> CancelJob:
        command = submit_job(user, plan=Plan.PRO)
        await run_commands(command)
        return CancelJob(job_id=command.job_id, user_id=user)

    return add


def outcome_of(processed: ProcessedCommands) -> str | dict[str, object]:
    [transition] = processed.outcomes
    return transition.code if isinstance(transition, MsaasError) else transition.reply


async def test_a_waiting_job_is_cancelled_in_that_transaction_and_releases_its_reservation(
    run_commands: RunCommands, add_job: AddJob, rows: asyncpg.Connection
) -> None:
    command, _other = await add_job(), await add_job()
    processed = await run_commands(command)
    row = await rows.fetchrow(JOB, command.job_id)
    assert row is not None
    assert outcome_of(processed) == {"job_id": command.job_id, "status": "CANCELLED"}
    assert (row["status"], row["failure_reason"], row["reserved"]) == (
        "CANCELLED",
        "cancelled",
        False,
    )
    assert row["finished_at"] is not None
    assert await rows.fetchval(RESERVED) == 1
    assert [
        (snapshot.id, snapshot.status, snapshot.version) for snapshot in processed.snapshots
    ] == [(command.job_id, JobStatus.CANCELLED, row["version"])]


async def test_a_job_on_its_way_is_cancelled_and_its_entry_withdrawn(
    run_commands: RunCommands,
    add_job: AddJob,
    run_tick: RunTick,
    workers: FakeWorkerQueue,
    rows: asyncpg.Connection,
) -> None:
    command = await add_job()
    await run_tick()
    entry_id = await rows.fetchval("SELECT entry_id FROM jobs.jobs")
    processed = await run_commands(command)
    assert outcome_of(processed) == {"job_id": command.job_id, "status": "CANCELLED"}
    assert workers.withdrawn == [("jobs.generic", [entry_id])]
    assert workers.marked == {command.job_id}
    assert await rows.fetchval("SELECT outcome FROM jobs.job_attempts") == "cancelled"


async def test_a_job_that_waits_for_others_is_cancelled_at_once(
    run_commands: RunCommands, add_job: AddJob, run_tick: RunTick, rows: asyncpg.Connection
) -> None:
    command = await add_job()
    await run_tick()
    await rows.execute(WAIT, command.job_id)
    processed = await run_commands(command)
    row = await rows.fetchrow(JOB, command.job_id)
    assert row is not None
    assert outcome_of(processed) == {"job_id": command.job_id, "status": "CANCELLED"}
    assert (row["status"], row["waiting_for"], row["wake_at"]) == ("CANCELLED", None, None)


async def test_a_running_job_is_marked_and_its_worker_is_requested_to_stop(
    run_commands: RunCommands,
    add_job: AddJob,
    run_tick: RunTick,
    workers: FakeWorkerQueue,
    rows: asyncpg.Connection,
) -> None:
    command = await add_job()
    await run_tick()
    await rows.execute(RUN, command.job_id)
    processed = await run_commands(command)
    row = await rows.fetchrow(JOB, command.job_id)
    assert row is not None
    assert outcome_of(processed) == {
        "job_id": command.job_id,
        "status": "RUNNING",
        "cancel_requested": True,
    }
    assert row["cancel_requested_at"] is not None
    assert row["reserved"]
    assert workers.marked == {command.job_id}
    assert workers.withdrawn == []
    assert isinstance(processed.outcomes[0], CommandOutcome)
    assert processed.outcomes[0].stop_job_ids == (command.job_id,)


@pytest.mark.parametrize("running", [True, False])
async def test_cancelling_again_replies_the_same_and_notifies_the_worker_again(
    running: bool,  # noqa: FBT001  # a parameter of the test
    run_commands: RunCommands,
    add_job: AddJob,
    run_tick: RunTick,
    workers: FakeWorkerQueue,
    rows: asyncpg.Connection,
) -> None:
    command = await add_job()
    await run_tick()
    if running:
        await rows.execute(RUN, command.job_id)
    first = await run_commands(command)
    before = await rows.fetchrow(JOB, command.job_id)
    workers.marked.clear()
    again = await run_commands(command)
    assert outcome_of(again) == outcome_of(first)
    assert await rows.fetchrow(JOB, command.job_id) == before
    assert workers.marked == {command.job_id}
    assert [snapshot.version for snapshot in again.snapshots] == [
        snapshot.version for snapshot in first.snapshots
    ]
    assert await rows.fetchval(RESERVED) == int(running)


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED"])
async def test_what_has_ended_cannot_be_cancelled(
    status: str, run_commands: RunCommands, add_job: AddJob, rows: asyncpg.Connection
) -> None:
    command = await add_job()
    await rows.execute(END.format(status), command.job_id)
    assert outcome_of(await run_commands(command)) == "conflict"
    assert await rows.fetchval("SELECT status FROM jobs.jobs") == status


async def test_another_users_job_is_not_found(
    run_commands: RunCommands,
    add_job: AddJob,
    add_user: AddUser,
    submit_job: BuildJob,
    rows: asyncpg.Connection,
) -> None:
    command, unknown = await add_job(), await add_user()
    await run_commands(submit_job(unknown))
    for job_id, user in [
        (command.job_id, unknown),
        (uuid4(), unknown),
        (command.job_id, uuid4()),
    ]:
        assert outcome_of(await run_commands(CancelJob(job_id=job_id, user_id=user))) == "not_found"
    assert await rows.fetchval("SELECT count(*) FROM jobs.jobs WHERE status = 'PENDING'") == 2


async def test_a_reservation_goes_back_to_the_period_that_it_was_made_in(
    run_commands: RunCommands, add_job: AddJob, rows: asyncpg.Connection
) -> None:
    command = await add_job()
    await rows.execute("UPDATE jobs.jobs SET usage_period = usage_period - interval '70 days'")
    for table in ("subjects", "usage_counters"):
        await rows.execute(
            f"UPDATE jobs.{table} SET period_start = period_start - interval '70 days',"
            " period_end = period_end - interval '40 days'"
        )
    await add_job()
    assert [row["jobs_reserved"] for row in await rows.fetch(RESERVED)] == [1, 1]
    await run_commands(command)
    assert [row["jobs_reserved"] for row in await rows.fetch(RESERVED)] == [0, 1]


async def test_a_cancel_command_withdraws_the_entry_marks_the_job_and_publishes_the_change(
    gateway: Gateway,
    start_service: StartService,
    user: UUID,
    rows: asyncpg.Connection,
    read_topic: ReadTopic,
    read_envelopes: ReadEnvelopes,
) -> None:
    running = await start_service()
    unread, _ = [(await gateway.submit(user)).data["job_id"] for _ in range(2)]

    async def are_on_redis() -> bool:
        return await rows.fetchval("SELECT count(entry_id) FROM jobs.jobs") == 2

    await wait_until(are_on_redis)
    reply = await gateway.cancel(user, UUID(unread))
    assert reply.data == {"job_id": unread, "status": "CANCELLED"}
    assert unread not in {str(envelope.job_id) for envelope in await read_envelopes()}
    marked = await find_cancelled(running.service.messenger, [UUID(unread)])
    assert marked == {UUID(unread)}
    assert [str(message.job_id) for message in await read_topic("jobs.control")] == [unread]
    events = [
        message for message in await read_topic("jobs.events") if str(message.frame.id) == unread
    ]
    assert [event.frame.status for event in events] == [JobStatus.PENDING, JobStatus.CANCELLED]


@pytest.fixture
def add_job_tree(
    run_commands: RunCommands, submit_job: BuildJob, user: UUID
) -> Callable[[], Awaitable[list[UUID]]]:
    """Accept a parent, its child and its grandchild."""

    async def add() -> list[UUID]:
        family: list[UUID] = []
        for _ in range(3):
            parent = family[-1] if family else None
            command = submit_job(user, plan=Plan.PRO, parent_job_id=parent)
            await run_commands(command)
            family.append(command.job_id)
        return family

    return add


async def test_a_parents_children_end_with_it_each_as_it_stands(
    run_commands: RunCommands,
    add_job_tree: AddJobTree,
    run_tick: RunTick,
    workers: FakeWorkerQueue,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    parent, child, grandchild = await add_job_tree()
    await run_tick()
    await rows.execute(RUN, child)
    processed = await run_commands(CancelJob(job_id=parent, user_id=user))
    found = await rows.fetch("SELECT id, status FROM jobs.jobs")
    status = {row["id"]: row["status"] for row in found}
    assert status == {parent: "CANCELLED", child: "RUNNING", grandchild: "CANCELLED"}
    assert await rows.fetchval("SELECT cancel_requested_at FROM jobs.jobs WHERE id = $1", child)
    [transition] = processed.outcomes
    assert isinstance(transition, CommandOutcome)
    assert set(transition.stop_job_ids) == workers.marked == {parent, child, grandchild}
    assert await rows.fetchval(RESERVED) == 1


async def test_a_child_that_has_ended_is_left_as_it_is(
    run_commands: RunCommands,
    add_job_tree: AddJobTree,
    workers: FakeWorkerQueue,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    parent, child, _ = await add_job_tree()
    await rows.execute(END.format("COMPLETED"), child)
    await run_commands(CancelJob(job_id=parent, user_id=user))
    assert await rows.fetchval("SELECT status FROM jobs.jobs WHERE id = $1", child) == "COMPLETED"
    assert workers.marked == set()


async def test_a_parent_that_has_ended_gets_no_more_children(
    run_commands: RunCommands, add_job_tree: AddJobTree, submit_job: BuildJob, user: UUID
) -> None:
    parent, *_ = await add_job_tree()
    late = submit_job(user, parent_job_id=parent)
    cancelled, refused = (await run_commands(CancelJob(job_id=parent, user_id=user), late)).outcomes
    assert isinstance(cancelled, CommandOutcome)
    assert isinstance(refused, MsaasError)
    assert refused.code == "conflict"
