"""Echo returns its message, and can be watched and cancelled while it waits."""

import pytest

from msaas.contracts import EchoParams, NavigateAndExtractTextParams, Progress, ValueObject
from msaas.jobs.worker import Echo
from msaas.testing import FakeClock, build_job_envelope, wait_until
from msaas.worker import RunCancelled, RunContext


class EchoHarness:
    def __init__(
        self, params: ValueObject, clock: FakeClock, *, is_cancelled: bool = False
    ) -> None:
        self.progress: list[int | None] = []
        self.checks = 0
        self._is_cancelled = is_cancelled
        self.run = RunContext(
            build_job_envelope(),
            params,
            clock=clock,
            timeout=60,
            send_progress=self._report_progress,
            is_cancelled=self._check_cancelled,
        )

    async def _report_progress(self, progress: Progress) -> None:
        self.progress.append(progress.percent)

    async def _check_cancelled(self) -> bool:
        self.checks += 1
        return self._is_cancelled


async def test_it_returns_its_message(fake_clock: FakeClock) -> None:
    rig = EchoHarness(EchoParams(message="hello"), fake_clock)
    assert (await Echo().run(rig.run)).message == "hello"
    assert (rig.progress, rig.checks) == ([], 0)


async def test_a_long_wait_shows_its_progress_and_looks_for_a_cancellation(
    fake_clock: FakeClock,
) -> None:
    rig = EchoHarness(EchoParams(message="hello", delay_ms=1_250), fake_clock)
    result = await Echo().run(rig.run)
    await wait_until(lambda: rig.progress)
    assert (result.message, rig.progress, rig.checks) == ("hello", [80], 1)
    rig.run.stop_reporting()


async def test_a_cancelled_wait_ends_at_its_next_step(fake_clock: FakeClock) -> None:
    rig = EchoHarness(EchoParams(message="hello", delay_ms=60_000), fake_clock, is_cancelled=True)
    with pytest.raises(RunCancelled):
        await Echo().run(rig.run)


async def test_parameters_of_another_task_are_an_internal_error(fake_clock: FakeClock) -> None:
    params = NavigateAndExtractTextParams(url="http://a.test/")
    with pytest.raises(TypeError, match="echo needs EchoParams"):
        await Echo().run(EchoHarness(params, fake_clock).run)
