"""Results through Redis: in order, applied once, whenever the process ends."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from services.jobs.tests.support import (
    Gateway,
    Given,
    OpenBroker,
    ReadEnvelopes,
    ReadTopic,
    StartService,
)

from msaas.contracts import JobLost, JobStatus, LossReason, Message
from msaas.jobs.application.sweep_leases import SweepLeasesTask
from msaas.messaging import BrokerUnavailable, Messenger
from msaas.telemetry import Metrics, shutdown_tracing, start_tracing
from msaas.testing import build_job_succeeded, wait_until

StartDying = Callable[[str], Awaitable[int]]

PROGRAM = Path(__file__).parents[1] / "programs" / "crashing_results.py"
TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
AGE_LEASES = """
UPDATE jobs.jobs SET status = 'RUNNING', started_at = now() - interval '1 minute',
  dispatched_at = now() - interval '1 minute', lease_until = now() - interval '50 seconds'
"""
Publish = Callable[..., Awaitable[None]]


@pytest.fixture
def publish(environment: str, open_broker: OpenBroker) -> Publish:
    messenger = Messenger(open_broker(), "jobs", environment, metrics=Metrics("jobs", "test"))

    async def publish_(*messages: Message, traceparent: str | None = None) -> None:
        for message in messages:
            await messenger.publisher.publish(
                "jobs.results", message, correlation_id="c", traceparent=traceparent
            )

    return publish_


@pytest.fixture
def all_consumed(read_topic: ReadTopic) -> Callable[[], Awaitable[None]]:
    async def wait() -> None:
        async def is_empty() -> bool:
            return not await read_topic("jobs.results")

        await wait_until(is_empty)

    return wait


@pytest_asyncio.fixture
async def start_dying(
    environment: str, redis_url: str, jobs_url: str, tmp_path: Path
) -> AsyncIterator[StartDying]:
    started: list[asyncio.subprocess.Process] = []

    async def start(crash: str) -> int:
        given = {
            "ENVIRONMENT": environment,
            "REDIS_URL": redis_url,
            "DATABASE_URL": jobs_url,
            "CRASH": crash,
        }
        with (tmp_path / "service.log").open("wb") as log:
            program = await asyncio.create_subprocess_exec(
                sys.executable, str(PROGRAM), env=os.environ | given, stdout=log, stderr=log
            )
        started.append(program)
        return await program.wait()

    yield start
    for program in started:
        if program.returncode is None:
            program.kill()
            await program.wait()


async def count_charges(rows: asyncpg.Connection) -> int:
    return await rows.fetchval(
        "SELECT count(*) FROM jobs.usage_events JOIN jobs.usage_counters USING (subject_id)"
        " WHERE jobs_used = (SELECT count(*) FROM jobs.usage_events) AND jobs_reserved = 0"
    )


@pytest.mark.parametrize("crash", ["before commit", "after commit", "after publish"])
async def test_a_result_survives_the_end_of_its_process(
    crash: str,
    given: Given,
    publish: Publish,
    start_dying: StartDying,
    start_service: StartService,
    all_consumed: Callable[[], Awaitable[None]],
    rows: asyncpg.Connection,
    read_topic: ReadTopic,
) -> None:
    runs = await given.runs(5)
    await publish(*[run.succeeded() for run in runs])
    assert await start_dying(crash) == 137
    await start_service()
    await all_consumed()
    assert {(await given.job(run))["status"] for run in runs} == {"COMPLETED"}
    assert await count_charges(rows) == 5
    jobs = {run.job for run in runs}
    events = await read_topic("jobs.events")
    assert {
        message.frame.id for message in events if message.frame.status is JobStatus.COMPLETED
    } == jobs
    charged = await read_topic("usage.events")
    assert {its_charged.job_id for its_charged in charged} == jobs
    assert len({its_charged.hash for its_charged in charged}) == 5


async def test_a_broker_that_fails_after_the_commit_is_retried_and_charges_once(
    given: Given,
    publish: Publish,
    start_service: StartService,
    all_consumed: Callable[[], Awaitable[None]],
    rows: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = await given.run()
    again = await given.next_run(run)
    running = await start_service()
    broker = running.service.messenger.context.broker
    delete, failures = broker.delete, iter([True, True])

    async def fails_twice(*args: Any) -> None:
        if next(failures, False):
            raise BrokerUnavailable(target="test")
        await delete(*args)

    monkeypatch.setattr(broker, "delete", fails_twice)
    await publish(run.succeeded())
    await all_consumed()
    assert await count_charges(rows) == 1
    assert (await given.attempt(again))["outcome"] is None


async def test_a_user_sees_each_change_of_a_job_and_is_charged_for_it(
    gateway: Gateway,
    start_service: StartService,
    user: UUID,
    read_envelopes: ReadEnvelopes,
    publish: Publish,
    given: Given,
    all_consumed: Callable[[], Awaitable[None]],
    read_topic: ReadTopic,
    rows: asyncpg.Connection,
) -> None:
    await start_service()
    await gateway.submit(user)
    [envelope] = await wait_until(read_envelopes)
    await publish(build_job_succeeded(envelope))
    await all_consumed()
    seen = [(message.version, message.frame.status) for message in await read_topic("jobs.events")]
    assert [status for _, status in seen] == ["PENDING", "COMPLETED"]
    assert seen == sorted(seen)
    [fact] = await read_topic("usage.events")
    assert (fact.job_id, fact.plan) == (envelope.job_id, "FREE")
    assert await count_charges(rows) == 1


async def test_a_slot_that_comes_free_is_given_out_at_once(
    gateway: Gateway,
    start_service: StartService,
    user: UUID,
    read_envelopes: ReadEnvelopes,
    publish: Publish,
) -> None:
    """FREE has two slots: the third job is selected when one of the two has ended."""
    await start_service()
    for _ in range(3):
        await gateway.submit(user)

    async def envelopes(count: int) -> Sequence[Any]:
        found = await read_envelopes()
        return found if len(found) == count else []

    first, _ = await wait_until(lambda: envelopes(2))
    await publish(build_job_succeeded(first))
    await wait_until(lambda: envelopes(3))


async def test_after_an_outage_of_the_service_no_finished_job_and_no_live_run_is_repeated(
    given: Given,
    publish: Publish,
    start_service: StartService,
    sweep: SweepLeasesTask,
    all_consumed: Callable[[], Awaitable[None]],
    rows: asyncpg.Connection,
    read_topic: ReadTopic,
    read_envelopes: ReadEnvelopes,
) -> None:
    """All leases ended long ago; what the workers reported meanwhile is read before their loss.

    Some losses are read with the results, and most in the next batch.
    """
    finished, alive = await given.runs(150), await given.runs(40)
    await rows.execute(AGE_LEASES)
    await publish(*[run.heartbeat().model_copy(update={"lease_ms": 60_000}) for run in alive])
    await publish(*[run.succeeded() for run in finished])
    await sweep()
    lost = [run.fence for run in (*finished, *alive)]
    assert {
        message.fence: message.reason
        for message in await read_topic("jobs.results")
        if isinstance(message, JobLost)
    } == dict.fromkeys(lost, LossReason.LEASE_EXPIRED)
    await publish(*[run.lost(LossReason.RECLAIMED) for run in finished])
    await start_service()
    await all_consumed()
    assert await count_charges(rows) == len(finished)
    assert await rows.fetchval("SELECT sum(jobs_used) FROM jobs.usage_counters") == len(finished)
    assert await rows.fetch(
        "SELECT status, count(*), sum(losses) FROM jobs.jobs GROUP BY 1 ORDER BY 1"
    ) == [
        ("COMPLETED", len(finished), 0),
        ("RUNNING", len(alive), 0),
    ]
    assert await rows.fetchval("SELECT count(*) FROM jobs.job_attempts") == len(lost)
    assert await read_envelopes() == []


async def test_persisting_is_a_span_of_the_trace_that_is_kept(
    given: Given,
    publish: Publish,
    start_service: StartService,
    all_consumed: Callable[[], Awaitable[None]],
) -> None:
    exporter = InMemorySpanExporter()
    start_tracing("jobs", "test", exporter=exporter, sample_ratio=0.0)
    try:
        sampled, plain = await given.run(), await given.run()
        await start_service()
        await publish(plain.started())
        await publish(sampled.succeeded(), traceparent=TRACE)
        await all_consumed()
    finally:
        shutdown_tracing()
    [persisted] = [
        finished_span
        for finished_span in exporter.get_finished_spans()
        if finished_span.name == "jobs.persist"
    ]
    assert persisted.context is not None
    assert format(persisted.context.trace_id, "032x") == "a" * 32
