"""The sweeper: what it finds in the database and on Redis, and that it only reports it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest_asyncio
from services.jobs.tests.support import (
    Gateway,
    Given,
    GivenRun,
    ReadEnvelopes,
    ReadTopic,
    ResultsHarness,
    RunTick,
    StartService,
)

from msaas.contracts import JobLost, LossReason
from msaas.jobs.adapters.postgres.leases import OVERDUE
from msaas.jobs.application.sweep_leases import RECHECK_INTERVAL, SweepLeasesTask
from msaas.kernel import RetryPolicy
from msaas.messaging import ConsumerTimings, Messenger
from msaas.testing import FakeClock, build_job_envelope, build_job_started, wait_until

ReadLosses = Callable[[], Awaitable[list[JobLost]]]
PublishEnvelope = Callable[[GivenRun], Awaitable[str]]

TIMINGS = ConsumerTimings(
    block_timeout=0.05,
    heartbeat_interval=0.1,
    reclaim_after=0.5,
    drain_timeout=0.5,
    retry=RetryPolicy(base=0.01, cap=0.1),
)
AGES = {
    "lease": "UPDATE jobs.jobs SET lease_until = now() - interval '1 second' WHERE id = $1",
    "wait": "UPDATE jobs.jobs SET dispatched_at = now() - interval '11 seconds' WHERE id = $1",
}


@pytest_asyncio.fixture
async def publish_envelope(messenger: Messenger, rows: asyncpg.Connection) -> PublishEnvelope:
    async def put(run: GivenRun) -> str:
        envelope = build_job_envelope(**run.key)
        entry_id = await messenger.publisher.publish("jobs.generic", envelope, correlation_id="c")
        await rows.execute("UPDATE jobs.jobs SET entry_id = $2 WHERE id = $1", run.job, entry_id)
        return str(entry_id)

    return put


@pytest_asyncio.fixture
async def read_losses(read_topic: ReadTopic) -> ReadLosses:
    async def list_losses() -> list[JobLost]:
        return [m for m in await read_topic("jobs.results") if isinstance(m, JobLost)]

    return list_losses


async def test_an_ended_lease_is_reported_with_its_time_and_nothing_changes(
    given: Given,
    results: ResultsHarness,
    rows: asyncpg.Connection,
    sweep: SweepLeasesTask,
    read_losses: ReadLosses,
) -> None:
    run = await given.run()
    await results.persist(run.started())
    await sweep()
    assert await read_losses() == []
    await rows.execute(AGES["lease"], run.job)
    before = await given.job(run)
    await sweep()
    [loss] = await read_losses()
    assert (loss.job_id, loss.fence) == (run.job, run.fence)
    assert (loss.reason, loss.lease_until) == (LossReason.LEASE_EXPIRED, before["lease_until"])
    assert await given.job(run) == before


async def test_a_lease_is_reported_once_while_its_report_is_unread(
    given: Given,
    results: ResultsHarness,
    rows: asyncpg.Connection,
    sweep: SweepLeasesTask,
    read_losses: ReadLosses,
    messenger: Messenger,
) -> None:
    run = await given.run()
    await results.persist(run.started())
    await rows.execute(AGES["lease"], run.job)
    for _ in range(3):
        await sweep()
    assert len(await read_losses()) == 1
    broker, key = messenger.context.broker, messenger.publisher.get_stream_key("jobs.results")
    await broker.delete(key, [await broker.last_id(key)])
    await sweep()
    assert len(await read_losses()) == 1, "it was taken without effect: it is said again"


async def test_a_loss_queues_behind_unread_heartbeats_and_finished_work(
    given: Given,
    results: ResultsHarness,
    rows: asyncpg.Connection,
    sweep: SweepLeasesTask,
    messenger: Messenger,
    read_topic: ReadTopic,
) -> None:
    """The service was down: the leases have ended, but the topic has heartbeats."""
    running, done = await given.run(), await given.run()
    await results.persist(running.started(), done.started())
    for run in (running, done):
        await rows.execute(AGES["lease"], run.job)
    for report in (running.heartbeat(), done.succeeded()):
        await messenger.publisher.publish("jobs.results", report, correlation_id="c")
    await sweep()
    unread = await read_topic("jobs.results")
    assert [type(message).__name__ for message in unread][2:] == ["JobLost", "JobLost"]
    for report in unread:
        await results.persist(report)
    assert (await given.job(running))["status"] == "RUNNING"
    assert (await given.job(done))["status"] == "COMPLETED"
    assert await rows.fetchval("SELECT sum(losses) FROM jobs.jobs") == 0


async def test_a_cancel_that_is_not_answered_ends_after_ten_seconds(
    given: Given, results: ResultsHarness, sweep: SweepLeasesTask, read_losses: ReadLosses
) -> None:
    run = await given.run()
    await results.persist(run.started())
    await given.request_cancel(run, timedelta(seconds=9))
    await sweep()
    assert await read_losses() == []
    await given.request_cancel(run, timedelta(seconds=11))
    await sweep()
    await results.persist(run.heartbeat())
    await sweep()
    [loss] = await read_losses()
    assert loss.reason is LossReason.STALE
    await results.persist(loss)
    assert (await given.job(run))["status"] == "CANCELLED"


async def test_18_jobs_behind_2_slow_ones_are_not_taken_for_lost(
    given: Given,
    results: ResultsHarness,
    rows: asyncpg.Connection,
    sweep: SweepLeasesTask,
    read_losses: ReadLosses,
    publish_envelope: PublishEnvelope,
    clock: FakeClock,
) -> None:
    runs = await given.runs(20)
    for run in runs:
        await publish_envelope(run)
        await rows.execute(AGES["wait"], run.job)
    await results.persist(runs[0].started(), runs[1].started())
    for _ in range(3):
        await sweep()
        await clock.advance(RECHECK_INTERVAL)
    assert await read_losses() == []


async def test_a_missing_entry_is_picked_again_and_no_loss_is_counted(
    given: Given,
    results: ResultsHarness,
    rows: asyncpg.Connection,
    sweep: SweepLeasesTask,
    read_losses: ReadLosses,
    publish_envelope: PublishEnvelope,
    messenger: Messenger,
    clock: FakeClock,
    run_tick: RunTick,
) -> None:
    run = await given.run()
    entry_id = await publish_envelope(run)
    await messenger.withdraw("jobs.generic", [entry_id])
    await sweep()
    assert await read_losses() == [], "it has not been long enough"
    await rows.execute(AGES["wait"], run.job)
    await sweep()
    [loss] = await read_losses()
    assert loss.reason is LossReason.STALE
    await results.persist(loss)
    job = await given.job(run)
    assert (job["status"], job["losses"], job["attempts"], job["fence"]) == ("PENDING", 0, 0, None)
    assert [job.envelope.job_id for job in (await run_tick()).picked] == [run.job]
    assert (await given.job(run))["fence"] not in {None, run.fence}


async def test_an_entry_that_was_there_is_looked_for_again_after_a_while(
    given: Given,
    rows: asyncpg.Connection,
    sweep: SweepLeasesTask,
    read_losses: ReadLosses,
    publish_envelope: PublishEnvelope,
    messenger: Messenger,
    clock: FakeClock,
) -> None:
    run = await given.run()
    entry_id = await publish_envelope(run)
    await rows.execute(AGES["wait"], run.job)
    await sweep()
    await messenger.withdraw("jobs.generic", [entry_id])
    await sweep()
    assert await read_losses() == []
    await clock.advance(RECHECK_INTERVAL)
    await sweep()
    assert len(await read_losses()) == 1


async def test_a_pick_whose_entry_was_not_recorded_is_picked_again(
    given: Given, rows: asyncpg.Connection, sweep: SweepLeasesTask, read_losses: ReadLosses
) -> None:
    run = await given.run()
    await rows.execute("UPDATE jobs.jobs SET entry_id = NULL")
    await rows.execute(AGES["wait"], run.job)
    await sweep()
    assert [loss.reason for loss in await read_losses()] == [LossReason.STALE]


async def test_ended_and_waiting_jobs_are_not_swept(
    given: Given,
    results: ResultsHarness,
    rows: asyncpg.Connection,
    sweep: SweepLeasesTask,
    read_losses: ReadLosses,
) -> None:
    done, waiting = await given.run(), await given.run()
    await results.persist(done.succeeded(), waiting.started())
    await rows.execute(
        "UPDATE jobs.jobs SET fence = NULL, lease_until = now() - interval '1 hour' WHERE id = $1",
        waiting.job,
    )
    await sweep()
    assert await read_losses() == []


async def test_the_sweep_reads_only_what_is_on_its_way(
    given: Given, rows: asyncpg.Connection
) -> None:
    run = await given.run()
    await rows.execute(
        "INSERT INTO jobs.jobs (id, user_id, task_type, payload, max_attempts, correlation_id,"
        " source, billable, status, finished_at) SELECT gen_random_uuid(), $1, 'echo', '{}', 3,"
        " 'c', 'api', true, 'COMPLETED', now() FROM generate_series(1, 20000)",
        run.user,
    )
    await rows.execute("ANALYZE jobs.jobs")
    ten = timedelta(seconds=10)
    plan = await rows.fetch(f"EXPLAIN {OVERDUE}", ten, ten, 100)
    assert any("jobs_dispatched" in line[0] for line in plan)


async def test_an_ended_lease_brings_the_job_back_on_redis(
    start_service: StartService,
    gateway: Gateway,
    user: UUID,
    rows: asyncpg.Connection,
    sweep: SweepLeasesTask,
    messenger: Messenger,
    read_envelopes: ReadEnvelopes,
) -> None:
    """A worker is killed: the job restarts under another fence, and its user sees PENDING."""
    await start_service()
    await gateway.submit(user)
    [envelope] = await wait_until(read_envelopes)
    started = build_job_started(envelope)
    await messenger.publisher.publish("jobs.results", started, correlation_id="c")

    async def is_running() -> bool:
        return await rows.fetchval("SELECT status FROM jobs.jobs") == "RUNNING"

    await wait_until(is_running)
    await rows.execute(AGES["lease"], envelope.job_id)
    await sweep()

    async def next_one() -> Any:
        return [
            its_envelope
            for its_envelope in await read_envelopes()
            if its_envelope.fence != envelope.fence
        ]

    [again] = await wait_until(next_one)
    assert again.job_id == envelope.job_id
    assert await rows.fetchval("SELECT losses FROM jobs.jobs") == 1


async def test_a_task_type_that_the_catalogue_does_not_know_ends_no_sweep(
    given: Given,
    sweep: SweepLeasesTask,
    rows: asyncpg.Connection,
    read_topic: ReadTopic,
) -> None:
    """A release with a new task was rolled back."""
    unknown, other = await given.run(), await given.run()
    await rows.execute("UPDATE jobs.jobs SET task_type = 'juggle' WHERE id = $1", unknown.job)
    for run in (unknown, other):
        await rows.execute(AGES["wait"], run.job)
    await sweep()
    assert [loss.job_id for loss in await read_topic("jobs.results")] == [other.job]
