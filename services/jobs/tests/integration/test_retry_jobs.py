"""Retrying a failed job: once for each request, within the quota, and only on request."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from services.jobs.tests.support import AddUser, BuildJob, RunCommands, RunTick

from msaas.contracts import Plan, RetryJob
from msaas.jobs.application.process_commands import ProcessedCommands
from msaas.kernel import MsaasError

FailJob = Callable[..., Awaitable[RetryJob]]

JOB = "SELECT * FROM jobs.jobs WHERE id = $1"
FAIL = """
WITH failed AS (
  UPDATE jobs.jobs SET
    status = 'FAILED', attempts = 3, losses = 2, started_at = now(), finished_at = now(),
    fence = gen_random_uuid(), dispatched_at = now(), entry_id = '1-1', reserved = false,
    failure_reason = 'navigation_failed', last_error = 'No such host.'
  WHERE id = $1
)
UPDATE jobs.usage_counters SET jobs_reserved = jobs_reserved - 1
"""
COUNTER = "SELECT jobs_used, jobs_reserved, jobs_limit FROM jobs.usage_counters"


@pytest.fixture
def fail_job(
    run_commands: RunCommands, submit_job: BuildJob, user: UUID, rows: asyncpg.Connection
) -> FailJob:
    """Accept a job, fail it, and return the command that retries it."""

    async def fail(**fields: Any) -> RetryJob:
        command = submit_job(user, plan=Plan.FREE, **fields)
        await run_commands(command)
        await rows.execute(FAIL, command.job_id)
        return RetryJob(job_id=command.job_id, user_id=user, retry_id=uuid4())

    return fail


def codes(processed: ProcessedCommands) -> list[object]:
    return [
        outcome.code if isinstance(outcome, MsaasError) else outcome.reply["status"]
        for outcome in processed.outcomes
    ]


async def test_a_failed_job_begins_anew_with_all_its_attempts_and_a_new_reservation(
    run_commands: RunCommands, fail_job: FailJob, rows: asyncpg.Connection
) -> None:
    command = await fail_job()
    processed = await run_commands(command)
    assert codes(processed) == ["PENDING"]
    row = await rows.fetchrow(JOB, command.job_id)
    assert row is not None
    assert (row["status"], row["attempts"], row["losses"], row["reserved"]) == (
        "PENDING",
        0,
        0,
        True,
    )
    emptied = "fence", "entry_id", "dispatched_at", "started_at", "finished_at", "failure_reason"
    assert [row[name] for name in (*emptied, "last_error")] == [None] * 7
    assert await rows.fetchval("SELECT jobs_reserved FROM jobs.usage_counters") == 1
    assert [snapshot.version for snapshot in processed.snapshots] == [row["version"]]


async def test_a_stop_that_was_requested_before_the_failure_does_not_concern_the_retry(
    run_commands: RunCommands, fail_job: FailJob, rows: asyncpg.Connection
) -> None:
    command = await fail_job()
    await rows.execute("UPDATE jobs.jobs SET cancel_requested_at = now()")
    await run_commands(command)
    assert await rows.fetchval("SELECT cancel_requested_at FROM jobs.jobs") is None


async def test_it_is_dispatched_again(
    run_commands: RunCommands, fail_job: FailJob, run_tick: RunTick
) -> None:
    command = await fail_job()
    await run_commands(command)
    [picked] = (await run_tick()).picked
    assert (picked.envelope.job_id, picked.envelope.attempts) == (command.job_id, 0)


async def test_the_same_request_begins_it_once_even_when_it_has_failed_again_meanwhile(
    run_commands: RunCommands, fail_job: FailJob, rows: asyncpg.Connection
) -> None:
    command = await fail_job()
    assert codes(await run_commands(command, command)) == ["PENDING", "PENDING"]
    await rows.execute(FAIL, command.job_id)
    again = await run_commands(command)
    assert codes(again) == ["FAILED"]
    assert await rows.fetchval("SELECT jobs_reserved FROM jobs.usage_counters") == 0


@pytest.mark.parametrize("status", ["PENDING", "COMPLETED", "CANCELLED"])
async def test_only_a_failed_job_can_be_retried(
    run_commands: RunCommands, fail_job: FailJob, rows: asyncpg.Connection, status: str
) -> None:
    command = await fail_job()
    finished = None if status == "PENDING" else datetime.now(UTC)
    await rows.execute(
        "UPDATE jobs.jobs SET status = $2, finished_at = $3 WHERE id = $1",
        command.job_id,
        status,
        finished,
    )
    assert codes(await run_commands(command)) == ["conflict"]


async def test_over_the_limit_it_is_refused_and_stays_failed(
    run_commands: RunCommands, fail_job: FailJob, rows: asyncpg.Connection
) -> None:
    command = await fail_job()
    await rows.execute("UPDATE jobs.usage_counters SET jobs_used = jobs_limit")
    [refusal] = (await run_commands(command)).outcomes
    assert isinstance(refusal, MsaasError)
    assert (refusal.code, refusal.context["limit"]) == ("quota_exceeded", 100)
    assert await rows.fetchval("SELECT status FROM jobs.jobs") == "FAILED"


async def test_of_two_retries_with_one_job_left_one_is_accepted(
    run_commands: RunCommands, fail_job: FailJob, rows: asyncpg.Connection
) -> None:
    first, second = await fail_job(), await fail_job()
    await rows.execute("UPDATE jobs.usage_counters SET jobs_used = jobs_limit - 1")
    assert sorted(map(str, codes(await run_commands(first, second)))) == [
        "PENDING",
        "quota_exceeded",
    ]


async def test_a_job_whose_deadline_or_parameters_are_gone_is_refused(
    run_commands: RunCommands, fail_job: FailJob, rows: asyncpg.Connection
) -> None:
    late, bare = await fail_job(), await fail_job()
    past = datetime.now(UTC) - timedelta(seconds=1)
    await rows.execute("UPDATE jobs.jobs SET deadline_at = $2 WHERE id = $1", late.job_id, past)
    await rows.execute("UPDATE jobs.jobs SET payload = NULL WHERE id = $1", bare.job_id)
    assert codes(await run_commands(late, bare)) == ["conflict", "conflict"]


async def test_another_users_job_does_not_exist(
    run_commands: RunCommands, fail_job: FailJob, add_user: AddUser
) -> None:
    command = await fail_job()
    foreign = command.model_copy(update={"user_id": await add_user()})
    assert codes(await run_commands(foreign)) == ["not_found"]
