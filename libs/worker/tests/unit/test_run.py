"""What an action can say and ask, whatever the wire is doing."""

from collections.abc import Callable
from typing import Any

import pytest

from msaas.contracts import EchoParams, Progress
from msaas.kernel import DependencyUnavailable, Overloaded
from msaas.testing import FakeClock, build_job_envelope
from msaas.worker import Run, RunCancelled


class Wire:
    """Hears progress and knows of a cancellation, unless it is away."""

    def __init__(self) -> None:
        self.heard: list[int | None] = []
        self.is_marked = False
        self.failure: Exception | None = None

    async def tell(self, progress: Progress) -> None:
        self._reach()
        self.heard.append(progress.percent)

    async def is_cancelled(self) -> bool:
        self._reach()
        return self.is_marked

    def _reach(self) -> None:
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def make_run(wire: Wire, fake_clock: FakeClock) -> Callable[..., Run]:
    def make_run_(seconds: float = 60) -> Run:
        return Run(
            build_job_envelope(),
            EchoParams(message="hello"),
            clock=fake_clock,
            seconds=seconds,
            tell=wire.tell,
            is_cancelled=wire.is_cancelled,
        )

    return make_run_


async def test_time_runs_out_and_not_further(
    make_run: Callable[..., Run], fake_clock: FakeClock
) -> None:
    run = make_run(seconds=5)
    await fake_clock.advance(2)
    assert run.seconds_left() == 3
    await fake_clock.advance(9)
    assert run.seconds_left() == 0


async def test_of_all_that_is_said_within_a_second_the_last_is_heard(
    make_run: Callable[..., Run], wire: Wire, fake_clock: FakeClock
) -> None:
    run = make_run()
    for percent in (1, 2, 3):
        await run.progress(percent)
    await fake_clock.advance(0.5)
    assert wire.heard == [3]
    await run.progress(4)
    await run.progress(5)
    await fake_clock.advance(0.4)
    assert wire.heard == [3]
    await fake_clock.advance(0.1)
    assert wire.heard == [3, 5]
    await fake_clock.advance(10)
    await run.progress(6)
    await fake_clock.advance(0)
    assert wire.heard == [3, 5, 6]
    run.end()


async def test_nothing_is_said_after_the_end(
    make_run: Callable[..., Run], wire: Wire, fake_clock: FakeClock
) -> None:
    run = make_run()
    await run.progress(1)
    await fake_clock.advance(0)
    await run.progress(2, "soon")
    run.end()
    await fake_clock.advance(5)
    assert wire.heard == [1]


async def test_a_marked_run_ends_at_its_next_step(make_run: Callable[..., Run], wire: Wire) -> None:
    run = make_run()
    await run.check()
    wire.is_marked = True
    with pytest.raises(RunCancelled):
        await run.check()


@pytest.mark.parametrize("failure", [DependencyUnavailable(target="redis"), Overloaded()])
async def test_a_wire_that_is_away_disturbs_no_work(
    make_run: Callable[..., Run], wire: Wire, fake_clock: FakeClock, failure: Any
) -> None:
    run, wire.failure = make_run(), failure
    await run.check()
    await run.progress(1)
    await fake_clock.advance(2)
    wire.failure = None
    await run.progress(2)
    await fake_clock.advance(2)
    assert wire.heard == [2]
    run.end()
