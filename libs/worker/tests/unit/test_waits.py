"""A run that ends before its job does, and one that finds what all need out of order."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from msaas.kernel import CircuitOpen
from msaas.testing import FakeClock
from msaas.worker import Run, Wait

OpenBench = Callable[..., Any]


async def test_a_run_that_waits_says_for_whom_and_until_when(
    open_bench: OpenBench, fake_clock: FakeClock
) -> None:
    children, until = (uuid4(), uuid4()), fake_clock.now() + timedelta(hours=1)

    async def wait(run: Run) -> Wait:
        run.timings["plan"] = 7
        return Wait(children=children, until=until)

    bench = open_bench(wait)
    delivery = bench.deliver()
    verdict = await bench.run(delivery)
    assert verdict.type_name() == "JobWaiting"
    assert (verdict.job_id, verdict.fence) == (delivery.message.job_id, delivery.message.fence)
    assert (verdict.child_ids, verdict.until, verdict.timings_ms) == (children, until, {"plan": 7})
    assert verdict.started_at is not None
    assert await bench.list_names() == ["JobStarted"]


@pytest.mark.parametrize("wait", [Wait(), Wait(children=tuple(uuid4() for _ in range(101)))])
async def test_a_wait_that_no_message_can_carry_is_a_failure_of_the_action(
    open_bench: OpenBench, wait: Wait
) -> None:
    async def answer(_run: Run) -> Wait:
        return wait

    verdict = await open_bench(answer).run(open_bench(answer).deliver())
    assert (verdict.failure_reason, verdict.retryable) == ("internal", True)


async def test_an_open_circuit_fails_the_run_for_now_and_is_news_for_the_fleet(
    open_bench: OpenBench, fake_clock: FakeClock
) -> None:
    async def call(_run: Run) -> None:
        raise CircuitOpen(target="llm", retry_after=12.5)

    bench = open_bench(call)
    news, verdict = [one.message for one in await bench.worker.run(bench.deliver())]
    assert (verdict.failure_reason, verdict.retryable) == ("dependency_unavailable", True)
    assert (news.task_type, news.target) == ("echo", "llm")
    assert news.until == fake_clock.now() + timedelta(seconds=12.5)


async def test_a_circuit_that_names_no_time_is_no_news(open_bench: OpenBench) -> None:
    async def call(_run: Run) -> None:
        raise CircuitOpen(target="llm")

    verdict = await open_bench(call).run(open_bench(call).deliver())
    assert verdict.failure_reason == "dependency_unavailable"
