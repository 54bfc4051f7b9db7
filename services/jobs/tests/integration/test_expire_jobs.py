"""A deadline that passes before dispatch ends the job, by a message and not by the timer."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from services.jobs.tests.support import (
    BuildJob,
    FakeWorkerQueue,
    Gateway,
    RunCommands,
    RunTick,
    StartService,
)

from msaas.contracts import DeadlinePassed, Plan
from msaas.testing import wait_until

AddOverdue = Callable[..., Awaitable[DeadlinePassed]]

JOB = "SELECT * FROM jobs.jobs WHERE id = $1"


@pytest.fixture
def add_overdue(
    run_commands: RunCommands, submit_job: BuildJob, user: UUID, rows: asyncpg.Connection
) -> AddOverdue:
    """Accept a job whose deadline has passed, or has not."""

    async def add(seconds_left: float = -1) -> DeadlinePassed:
        command = submit_job(user, plan=Plan.PRO)
        await run_commands(command)
        await rows.execute(
            "UPDATE jobs.jobs SET deadline_at = $2 WHERE id = $1",
            command.job_id,
            datetime.now(UTC) + timedelta(seconds=seconds_left),
        )
        return DeadlinePassed(job_id=command.job_id, user_id=user)

    return add


async def test_a_job_that_waits_fails_and_releases_its_reservation(
    run_commands: RunCommands, add_overdue: AddOverdue, rows: asyncpg.Connection
) -> None:
    command = await add_overdue()
    processed = await run_commands(command)
    row = await rows.fetchrow(JOB, command.job_id)
    assert row is not None
    assert (row["status"], row["failure_reason"], row["reserved"]) == ("FAILED", "timeout", False)
    assert row["last_error"] == "The job's deadline has passed."
    assert await rows.fetchval("SELECT jobs_reserved FROM jobs.usage_counters") == 0
    assert [snapshot.id for snapshot in processed.snapshots] == [command.job_id]


async def test_a_redelivered_command_publishes_the_present_snapshot(
    run_commands: RunCommands, add_overdue: AddOverdue
) -> None:
    command = await add_overdue()
    first = await run_commands(command)
    again = await run_commands(command)
    assert list(again.snapshots) == list(first.snapshots)


async def test_an_unread_envelope_is_withdrawn(
    run_commands: RunCommands,
    add_overdue: AddOverdue,
    run_tick: RunTick,
    workers: FakeWorkerQueue,
    rows: asyncpg.Connection,
) -> None:
    command = await add_overdue()
    await run_tick()
    entry_id = await rows.fetchval("SELECT entry_id FROM jobs.jobs")
    await run_commands(command)
    assert workers.withdrawn == [("jobs.generic", [entry_id])]
    assert workers.marked == {command.job_id}
    assert await rows.fetchval("SELECT outcome FROM jobs.job_attempts") == "cancelled"


async def test_a_worker_enforces_the_deadline_of_a_running_job(
    run_commands: RunCommands, add_overdue: AddOverdue, run_tick: RunTick, rows: asyncpg.Connection
) -> None:
    command = await add_overdue()
    await run_tick()
    await rows.execute("UPDATE jobs.jobs SET status = 'RUNNING', started_at = now()")
    processed = await run_commands(command)
    assert processed.snapshots == []
    assert await rows.fetchval("SELECT status FROM jobs.jobs") == "RUNNING"


async def test_word_of_a_deadline_that_has_moved_changes_nothing(
    run_commands: RunCommands, add_overdue: AddOverdue, rows: asyncpg.Connection
) -> None:
    command = await add_overdue(seconds_left=60)
    await run_commands(command, command)
    assert await rows.fetchval("SELECT status FROM jobs.jobs") == "PENDING"


async def test_it_ends_once(
    run_commands: RunCommands, add_overdue: AddOverdue, rows: asyncpg.Connection
) -> None:
    command = await add_overdue()
    await run_commands(command, command)
    await run_commands(command)
    assert await rows.fetchval("SELECT version FROM jobs.jobs") == 3
    assert await rows.fetchval("SELECT jobs_reserved FROM jobs.usage_counters") == 0


async def test_a_deadline_that_passes_while_a_job_waits_is_found(
    start_service: StartService, gateway: Gateway, user: UUID, rows: asyncpg.Connection
) -> None:
    await start_service()
    now = datetime.now(UTC)
    soon, later = now + timedelta(milliseconds=50), now + timedelta(hours=1)
    await gateway.submit(user, run_at=later, deadline_ts=soon)

    async def has_failed() -> bool:
        return await rows.fetchval("SELECT status FROM jobs.jobs") == "FAILED"

    await wait_until(has_failed)
    assert await rows.fetchval("SELECT failure_reason FROM jobs.jobs") == "timeout"
