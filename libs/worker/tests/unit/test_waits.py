"""A run that waits for children, and a run that finds a circuit open."""

from datetime import timedelta
from uuid import uuid4

import pytest
from worker_support import OpenHarness, get_envelope

from msaas.contracts import JobEnvelope
from msaas.kernel import CircuitOpen
from msaas.testing import FakeClock
from msaas.worker import RunContext, RunReleased, WaitForChildren


async def test_a_waiting_run_reports_its_children_and_time(
    open_harness: OpenHarness, fake_clock: FakeClock
) -> None:
    children, until = (uuid4(), uuid4()), fake_clock.now() + timedelta(hours=1)

    async def wait(run: RunContext) -> WaitForChildren:
        run.timings["plan"] = 7
        return WaitForChildren(children=children, until=until)

    harness = open_harness(wait)
    delivery = harness.deliver()
    envelope = get_envelope(delivery)
    outcome = await harness.run(delivery)
    assert outcome.type_name() == "JobWaiting"
    assert (outcome.job_id, outcome.fence) == (envelope.job_id, envelope.fence)
    assert (outcome.child_ids, outcome.until, outcome.timings_ms) == (children, until, {"plan": 7})
    assert outcome.started_at is not None
    assert await harness.list_published_types() == ["JobStarted"]


@pytest.mark.parametrize(
    "wait", [WaitForChildren(), WaitForChildren(children=tuple(uuid4() for _ in range(101)))]
)
async def test_an_invalid_wait_is_a_failure_of_the_action(
    open_harness: OpenHarness, wait: WaitForChildren
) -> None:
    async def answer(_run: RunContext) -> WaitForChildren:
        return wait

    outcome = await open_harness(answer).run(open_harness(answer).deliver())
    assert (outcome.failure_reason, outcome.retryable) == ("internal", True)


async def test_an_open_circuit_fails_the_run_and_is_reported_to_the_fleet(
    open_harness: OpenHarness, fake_clock: FakeClock
) -> None:
    async def call(_run: RunContext) -> None:
        raise CircuitOpen(target="llm", retry_after=12.5)

    harness = open_harness(call)
    news, outcome = await harness.run_and_list(delivery := harness.deliver())
    run = delivery.message
    assert isinstance(run, JobEnvelope)
    assert (news.job_id, news.fence) == (run.job_id, run.fence)
    assert (outcome.failure_reason, outcome.retryable) == ("dependency_unavailable", True)
    assert (news.task_type, news.target) == ("echo", "llm")
    assert news.until == fake_clock.now() + timedelta(seconds=12.5)


async def test_an_open_circuit_without_a_time_is_not_reported(open_harness: OpenHarness) -> None:
    async def call(_run: RunContext) -> None:
        raise CircuitOpen(target="llm")

    outcome = await open_harness(call).run(open_harness(call).deliver())
    assert outcome.failure_reason == "dependency_unavailable"


async def test_a_run_that_another_worker_can_continue_is_reported_as_drained(
    open_harness: OpenHarness,
) -> None:
    async def release(_run: RunContext) -> WaitForChildren:
        raise RunReleased

    harness = open_harness(release)
    outcome = await harness.run(harness.deliver())
    assert (outcome.type_name(), outcome.reason) == ("JobLost", "drained")
