"""The first half of a job's life, one idea each: submitted, counted, dispatched, cancelled."""

from uuid import UUID

import asyncpg
from services.jobs.tests.support import (
    BuildJob,
    Gateway,
    ReadEnvelopes,
    RunCommands,
    RunTick,
    StartService,
)

from msaas.contracts import JobStatus
from msaas.testing import wait_until


async def test_a_submit_is_answered_once_it_is_committed_and_becomes_an_envelope(
    gateway: Gateway, start_service: StartService, user: UUID, read_envelopes: ReadEnvelopes
) -> None:
    await start_service()
    reply = await gateway.submit(user, payload={"message": "good morning"})
    assert reply.data["status"] == JobStatus.PENDING
    [envelope] = await wait_until(read_envelopes)
    assert str(envelope.job_id) == reply.data["job_id"]
    assert envelope.payload == {"message": "good morning"}


async def test_a_plan_limits_the_jobs_of_a_period_and_a_job_counts_from_its_acceptance(
    run_commands: RunCommands, submit_job: BuildJob, user: UUID, rows: asyncpg.Connection
) -> None:
    await run_commands(*(submit_job(user) for _ in range(100)))
    one_more = await run_commands(submit_job(user))
    assert one_more.outcomes[0].code == "quota_exceeded"
    assert await rows.fetchval("SELECT jobs_reserved FROM jobs.usage_counters") == 100


async def test_a_plan_has_so_many_slots_and_the_rest_waits_in_the_database(
    run_commands: RunCommands,
    submit_job: BuildJob,
    run_tick: RunTick,
    user: UUID,
    rows: asyncpg.Connection,
) -> None:
    await run_commands(*(submit_job(user) for _ in range(5)))
    assert len((await run_tick()).picked) == 2
    assert await rows.fetchval("SELECT count(*) FROM jobs.jobs WHERE dispatched_at IS NULL") == 3


async def test_a_job_that_no_worker_has_begun_is_cancelled_at_once_and_its_reservation_is_returned(
    gateway: Gateway,
    start_service: StartService,
    user: UUID,
    rows: asyncpg.Connection,
    read_envelopes: ReadEnvelopes,
) -> None:
    await start_service()
    submitted = await gateway.submit(user)
    await wait_until(read_envelopes)
    cancelled = await gateway.cancel(user, UUID(submitted.data["job_id"]))
    assert cancelled.data["status"] == JobStatus.CANCELLED
    assert await rows.fetchval("SELECT jobs_reserved FROM jobs.usage_counters") == 0

    async def is_off_redis() -> bool:
        return not await read_envelopes()

    await wait_until(is_off_redis)
