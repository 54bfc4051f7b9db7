"""The quiet period: no lease expires for some time after Redis returns."""

import asyncio
from contextlib import suppress

import pytest

from msaas.jobs.domain.reports import DEFAULT_LEASE
from msaas.jobs.entrypoints.sweeper import QuietPeriod, find_quiet_seconds
from msaas.kernel import DependencyUnavailable, PeriodicTask
from msaas.messaging import ConsumerTimings
from msaas.telemetry import log_task_failure
from msaas.testing import FakeClock, wait_until


class Harness:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sweeps = 0
        self.is_unavailable = False
        self.error: Exception | None = None
        self.quiet_period = QuietPeriod(self.ping, self.clock, 10)
        self.step = self.quiet_period.guard(self.sweep)

    async def sweep(self) -> None:
        self.sweeps += 1
        if self.error:
            raise self.error

    async def ping(self) -> None:
        if self.is_unavailable:
            raise DependencyUnavailable(target="redis")

    async def pass_time(self, seconds: float) -> int:
        """Step once a second, and return how many sweeps there were."""
        before = self.sweeps
        for _ in range(round(seconds)):
            await self.clock.advance(1)
            with suppress(DependencyUnavailable, ValueError):
                await self.step()
        return self.sweeps - before


@pytest.fixture
def harness() -> Harness:
    return Harness()


async def test_it_waits_one_full_lease_before_it_reports(harness: Harness) -> None:
    assert await harness.pass_time(9) == 0
    assert await harness.pass_time(5) == 5


@pytest.mark.parametrize("timings", [ConsumerTimings(), ConsumerTimings(reclaim_after=0.5)])
async def test_it_outlasts_a_lease_and_the_reclaim_of_a_dead_replicas_entries(
    timings: ConsumerTimings,
) -> None:
    """An entry is reclaimed when it was idle for long enough, someone looks, and no read blocks."""
    looked_at = timings.reclaim_after * 4 / 3 + timings.block_timeout
    seconds = find_quiet_seconds(timings.longest_reclaim)
    assert seconds > looked_at
    assert seconds >= DEFAULT_LEASE.total_seconds()


async def test_it_waits_again_after_redis_was_unavailable(harness: Harness) -> None:
    await harness.pass_time(20)
    harness.is_unavailable = True
    assert await harness.pass_time(3) == 0
    harness.is_unavailable = False
    assert await harness.pass_time(9) == 0
    assert await harness.pass_time(2) == 2


async def test_it_waits_again_after_a_new_epoch(harness: Harness) -> None:
    await harness.pass_time(20)
    await harness.quiet_period.notice_epoch("next")
    assert await harness.pass_time(9) == 0
    assert await harness.pass_time(1) == 1


async def test_a_sweep_that_fails_on_its_data_is_tried_at_the_next_second(harness: Harness) -> None:
    await harness.pass_time(10)
    harness.error = ValueError("odd")
    assert await harness.pass_time(2) == 2


async def test_a_sweep_that_loses_redis_starts_a_quiet_period(harness: Harness) -> None:
    await harness.pass_time(10)
    harness.error = DependencyUnavailable(target="redis")
    assert await harness.pass_time(1) == 1
    harness.error = None
    assert await harness.pass_time(9) == 0


async def test_it_runs_until_it_is_drained(harness: Harness) -> None:
    task = PeriodicTask("sweep", harness.step, period=0.01, report_failure=log_task_failure)
    running = asyncio.create_task(task.run())
    await harness.clock.advance(11)
    await wait_until(lambda: harness.sweeps > 2)
    task.drain()
    await running


async def test_a_sweep_that_fails_on_its_data_starts_no_quiet_period_for_the_others(
    harness: Harness,
) -> None:
    async def fail() -> None:
        raise ValueError("odd")

    await harness.pass_time(10)
    with pytest.raises(ValueError, match="odd"):
        await harness.quiet_period.guard(fail)()
    assert await harness.pass_time(1) == 1
