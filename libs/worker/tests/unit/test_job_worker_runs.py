"""Leases, cancellations and outcomes of runs, on a fake clock."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from worker_support import ENV, Act, OpenHarness

from msaas.contracts import TASKS, VisitedPlace, epoch_key, get_task
from msaas.kernel import DependencyUnavailable
from msaas.telemetry import shutdown_tracing, start_tracing
from msaas.testing import FakeClock, wait_until
from msaas.worker import AbandonReason, ActionFailed, RunContext

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HELLO = {"message": "hello"}


async def hello(_run: RunContext) -> dict[str, str]:
    return HELLO


@pytest.fixture
def gate() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def wait_at_gate(gate: asyncio.Event) -> Callable[[RunContext], Any]:
    async def wait(_run: RunContext) -> dict[str, str]:
        await gate.wait()
        return HELLO

    return wait


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    start_tracing("jobs-worker", "test", exporter=exporter, sample_ratio=0.0)
    yield exporter
    shutdown_tracing()


async def test_every_run_sends_a_heartbeat_every_three_seconds_until_it_ends(
    open_harness: OpenHarness, wait_at_gate: Act, gate: asyncio.Event, fake_clock: FakeClock
) -> None:
    harness = open_harness(wait_at_gate)
    runs = [asyncio.create_task(harness.run(harness.deliver())) for _ in range(3)]
    await fake_clock.advance(9)
    reported = await harness.list_published()
    heartbeats = [message.fence for message in reported if type(message).__name__ == "JobHeartbeat"]
    starts = [message.fence for message in reported if type(message).__name__ == "JobStarted"]
    assert sorted(heartbeats) == sorted(3 * starts)
    gate.set()
    assert [(await run).result for run in runs] == [HELLO] * 3
    await fake_clock.advance(9)
    assert len(await harness.list_published()) == len(reported)


async def test_an_unavailable_broker_ends_no_run(
    open_harness: OpenHarness, wait_at_gate: Act, gate: asyncio.Event, fake_clock: FakeClock
) -> None:
    harness = open_harness(wait_at_gate)
    run = asyncio.create_task(harness.run(harness.deliver()))
    await fake_clock.advance(1)
    harness.broker.fail_with(DependencyUnavailable(target="redis"))
    await fake_clock.advance(30)
    harness.broker.fail_with(None)
    await fake_clock.advance(3)
    assert await harness.list_published_types() == ["JobStarted", "JobHeartbeat"]
    gate.set()
    assert (await run).result == HELLO


async def test_a_cancellation_missed_by_the_broadcast_is_found_at_the_next_heartbeat(
    open_harness: OpenHarness, wait_at_gate: Act, fake_clock: FakeClock
) -> None:
    harness = open_harness(wait_at_gate)
    delivery = harness.deliver()
    run = asyncio.create_task(harness.run(delivery))
    await fake_clock.advance(1)
    await harness.mark_cancelled(delivery)
    await fake_clock.advance(2)
    assert (await run).failure_reason == "cancelled"


async def test_after_a_gap_in_the_broadcast_markers_are_looked_up_at_once(
    open_harness: OpenHarness, wait_at_gate: Act, fake_clock: FakeClock
) -> None:
    harness = open_harness(wait_at_gate)
    delivery = harness.deliver()
    await harness.broker.epoch(epoch_key(ENV), "first")  # as the jobs service does
    serving = asyncio.create_task(harness.messenger.run())
    await fake_clock.advance(0.5)
    run = asyncio.create_task(harness.run(delivery))
    await fake_clock.advance(0.5)
    harness.broker.flush()
    await harness.broker.epoch(epoch_key(ENV), "second")
    await harness.mark_cancelled(delivery)
    await wait_until(run.done)
    assert (await run).failure_reason == "cancelled"
    harness.messenger.drain()
    while not serving.done():
        await fake_clock.advance(1)


async def test_a_start_that_cannot_be_reported_releases_the_job_uncounted(
    open_harness: OpenHarness, fake_clock: FakeClock
) -> None:
    harness = open_harness(hello)
    harness.broker.fail_with(DependencyUnavailable(target="redis"))
    delivery = harness.deliver()
    run = asyncio.create_task(harness.run(delivery))
    await fake_clock.advance(15)
    with pytest.raises(DependencyUnavailable) as raised:
        await run
    outcome, _ = harness.abandon(delivery, AbandonReason.FAILED, raised.value)
    assert outcome.reason == "drained"


@pytest.mark.parametrize("outage", [0.2, 3])
async def test_a_start_is_reported_as_soon_as_the_broker_is_back(
    open_harness: OpenHarness, fake_clock: FakeClock, outage: float
) -> None:
    harness = open_harness(hello)
    harness.broker.fail_with(DependencyUnavailable(target="redis"))
    run = asyncio.create_task(harness.run(harness.deliver()))
    await fake_clock.advance(outage)
    harness.broker.fail_with(None)
    await fake_clock.advance(5)
    assert (await run).result == HELLO
    assert "JobStarted" in await harness.list_published_types()


@pytest.mark.parametrize(
    ("why", "name", "reason"),
    [
        (AbandonReason.RECLAIMED, "JobLost", "reclaimed"),
        (AbandonReason.DRAINED, "JobLost", "drained"),
        (AbandonReason.FAILED, "JobFailed", "internal"),
    ],
)
async def test_an_abandoned_delivery_is_reported_with_its_reason(
    open_harness: OpenHarness, why: AbandonReason, name: str, reason: str
) -> None:
    harness = open_harness(hello)
    outcome, topic = harness.abandon(harness.deliver(), why, ValueError("hunter2"))
    reported = outcome.reason if name == "JobLost" else outcome.failure_reason
    assert (type(outcome).__name__, reported, topic) == (name, reason, "jobs.results")
    assert "hunter2" not in outcome.model_dump_json()


async def test_a_task_that_times_out_is_retryable(open_harness: OpenHarness) -> None:
    async def forever(_run: RunContext) -> None:
        await asyncio.Event().wait()

    short = replace(get_task("echo"), timeout=timedelta(milliseconds=10))
    harness = open_harness(forever, tasks={"echo": short})
    outcome = await harness.run(harness.deliver())
    assert (outcome.failure_reason, outcome.retryable) == ("timeout", True)
    assert outcome.started_at is not None


async def test_an_envelope_delivered_twice_runs_once(
    open_harness: OpenHarness, wait_at_gate: Act, gate: asyncio.Event, fake_clock: FakeClock
) -> None:
    harness = open_harness(wait_at_gate)
    delivery = harness.deliver()
    run = asyncio.create_task(harness.run(delivery))
    await fake_clock.advance(1)
    assert await harness.worker.run(delivery) == []
    gate.set()
    assert (await run).result == HELLO
    assert (await harness.list_published_types()).count("JobStarted") == 1


async def test_an_error_during_clean_up_does_not_hide_a_cancellation(
    open_harness: OpenHarness, fake_clock: FakeClock
) -> None:
    async def stumble(_run: RunContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ActionFailed("navigation_failed", "The page is gone.", retryable=True)

    harness = open_harness(stumble)
    delivery = harness.deliver()
    run = asyncio.create_task(harness.run(delivery))
    await fake_clock.advance(1)
    await harness.mark_cancelled(delivery)
    await fake_clock.advance(2)
    assert (await run).failure_reason == "cancelled"
    assert run.cancelling() == 0
    drained = asyncio.create_task(harness.run(harness.deliver()))
    await fake_clock.advance(1)
    drained.cancel()
    with pytest.raises(asyncio.CancelledError):
        await drained


async def test_a_cancellation_within_the_action_is_a_failure_of_the_action(
    open_harness: OpenHarness,
) -> None:
    async def await_what_is_cancelled(_run: RunContext) -> None:
        part = asyncio.get_running_loop().create_future()
        part.cancel()
        await part

    harness = open_harness(await_what_is_cancelled)
    outcome = await harness.run(harness.deliver())
    assert (outcome.failure_reason, outcome.retryable) == ("internal", True)


async def test_a_result_that_is_too_large_for_a_message_is_refused(
    open_harness: OpenHarness,
) -> None:
    async def long_text(_run: RunContext) -> dict[str, str]:
        url = "http://a.test/"
        return {"url": url, "final_url": url, "text": "x" * 70_000}

    task_type = "navigate_and_extract_text"
    harness = open_harness(long_text, task_type)
    delivery = harness.deliver(task_type=task_type, payload={"url": "http://a.test/"})
    outcome = await harness.run(delivery)
    assert (outcome.failure_reason, outcome.retryable) == ("result_too_large", False)


@pytest.mark.parametrize("fails", [True, False])
async def test_timings_of_an_action_are_reported_with_its_outcome(
    open_harness: OpenHarness, *, fails: bool
) -> None:
    async def measured(run: RunContext) -> dict[str, str]:
        run.timings["goto"] = 12
        if fails:
            raise ActionFailed("navigation_failed", "No such page.", retryable=True)
        return HELLO

    harness = open_harness(measured)
    assert (await harness.run(harness.deliver())).timings_ms == {"goto": 12}


@pytest.mark.parametrize("fails", [True, False])
async def test_network_traffic_of_an_action_is_reported_with_its_outcome(
    open_harness: OpenHarness, *, fails: bool
) -> None:
    host = VisitedPlace(host="example.com", port=443, connections=1, received=12, sent=3)

    async def visited(run: RunContext) -> dict[str, str]:
        run.network.append(host)
        if fails:
            raise ActionFailed("navigation_failed", "No such page.", retryable=True)
        return HELLO

    harness = open_harness(visited)
    assert (await harness.run(harness.deliver())).network == (host,)


async def test_an_action_knows_the_earliest_of_its_deadlines(
    open_harness: OpenHarness, fake_clock: FakeClock
) -> None:
    left: list[float] = []

    async def execute(run: RunContext) -> dict[str, str]:
        left.append(run.seconds_left())
        return HELLO

    harness, timeout = open_harness(execute), TASKS["echo"].timeout.total_seconds()
    soon = fake_clock.now() + timedelta(seconds=5)
    await harness.run(harness.deliver())
    await harness.run(harness.deliver(meta={"deadline_ts": soon}))
    assert left == [timeout, 5]


async def test_runs_are_counted_and_traced(
    open_harness: OpenHarness, spans: InMemorySpanExporter
) -> None:
    harness = open_harness(hello)
    await harness.run(harness.deliver(traceparent=f"00-{TRACE}-00f067aa0ba902b7-01"))
    await harness.run(harness.deliver(traceparent=f"00-{TRACE}-00f067aa0ba902b7-00"))
    name, labels = "msaas_job_processing_duration_seconds_count", {"task_type": "echo"}
    origin = {"service": "test", "environment": "test"}
    assert harness.metrics.registry.get_sample_value(name, labels | origin) == 2
    shutdown_tracing()
    [span] = spans.get_finished_spans()
    assert span.name == "jobs.process"
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == TRACE


async def test_a_marker_of_another_job_cancels_nothing(
    open_harness: OpenHarness, wait_at_gate: Act, gate: asyncio.Event, fake_clock: FakeClock
) -> None:
    harness = open_harness(wait_at_gate)
    run = asyncio.create_task(harness.run(harness.deliver()))
    await fake_clock.advance(1)
    await harness.mark_cancelled(harness.deliver(job_id=uuid4()))
    await fake_clock.advance(9)
    gate.set()
    assert (await run).result == HELLO
