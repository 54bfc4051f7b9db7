"""Progress and cancellation of a run, also while Redis is unavailable."""

from collections.abc import Callable
from typing import Any

import pytest

from msaas.contracts import EchoParams, Progress
from msaas.kernel import DependencyUnavailable, Overloaded
from msaas.testing import FakeClock, build_job_envelope
from msaas.worker import RunCancelled, RunContext


class FakeReporter:
    """Records progress and reports a cancellation, or fails."""

    def __init__(self) -> None:
        self.progress: list[int | None] = []
        self.is_marked_cancelled = False
        self.failure: Exception | None = None

    async def send_progress(self, progress: Progress) -> None:
        self._raise_if_failing()
        self.progress.append(progress.percent)

    async def is_cancelled(self) -> bool:
        self._raise_if_failing()
        return self.is_marked_cancelled

    def _raise_if_failing(self) -> None:
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def reporter() -> FakeReporter:
    return FakeReporter()


@pytest.fixture
def make_run(reporter: FakeReporter, fake_clock: FakeClock) -> Callable[..., RunContext]:
    def make_run_(seconds: float = 60) -> RunContext:
        return RunContext(
            build_job_envelope(),
            EchoParams(message="hello"),
            clock=fake_clock,
            timeout=seconds,
            send_progress=reporter.send_progress,
            is_cancelled=reporter.is_cancelled,
        )

    return make_run_


async def test_seconds_left_stop_at_zero(
    make_run: Callable[..., RunContext], fake_clock: FakeClock
) -> None:
    run = make_run(seconds=5)
    await fake_clock.advance(2)
    assert run.seconds_left() == 3
    await fake_clock.advance(9)
    assert run.seconds_left() == 0


async def test_of_several_reports_within_a_second_the_last_is_sent(
    make_run: Callable[..., RunContext], reporter: FakeReporter, fake_clock: FakeClock
) -> None:
    run = make_run()
    for percent in (1, 2, 3):
        await run.report_progress(percent)
    await fake_clock.advance(0.5)
    assert reporter.progress == [3]
    await run.report_progress(4)
    await run.report_progress(5)
    await fake_clock.advance(0.4)
    assert reporter.progress == [3]
    await fake_clock.advance(0.1)
    assert reporter.progress == [3, 5]
    await fake_clock.advance(10)
    await run.report_progress(6)
    await fake_clock.advance(0)
    assert reporter.progress == [3, 5, 6]
    run.stop_reporting()


async def test_no_progress_is_sent_after_the_end(
    make_run: Callable[..., RunContext], reporter: FakeReporter, fake_clock: FakeClock
) -> None:
    run = make_run()
    await run.report_progress(1)
    await fake_clock.advance(0)
    await run.report_progress(2, "soon")
    run.stop_reporting()
    await fake_clock.advance(5)
    assert reporter.progress == [1]


async def test_a_cancelled_run_ends_at_its_next_step(
    make_run: Callable[..., RunContext], reporter: FakeReporter
) -> None:
    run = make_run()
    await run.raise_if_cancelled()
    reporter.is_marked_cancelled = True
    with pytest.raises(RunCancelled):
        await run.raise_if_cancelled()


@pytest.mark.parametrize("failure", [DependencyUnavailable(target="redis"), Overloaded()])
async def test_an_unavailable_broker_does_not_disturb_the_action(
    make_run: Callable[..., RunContext], reporter: FakeReporter, fake_clock: FakeClock, failure: Any
) -> None:
    run, reporter.failure = make_run(), failure
    await run.raise_if_cancelled()
    await run.report_progress(1)
    await fake_clock.advance(2)
    reporter.failure = None
    await run.report_progress(2)
    await fake_clock.advance(2)
    assert reporter.progress == [2]
    run.stop_reporting()
