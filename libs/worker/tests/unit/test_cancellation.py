"""Runs that start together share a lookup of cancellation markers, and none gets a stale answer."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from msaas.messaging import Messenger
from msaas.streams import BrokerUnavailable
from msaas.telemetry import Metrics
from msaas.testing import FakeClock, MemoryBroker, mark_cancelled
from msaas.worker.cancellation import CancellationChecker, find_cancelled


class SlowBroker(MemoryBroker):
    """Answers a lookup when permitted, with the markers that were set when it began."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.lookups = 0
        self.is_unavailable = False
        self.permits = asyncio.Semaphore(0)

    async def find_markers(self, keys: Sequence[str]) -> frozenset[str]:
        self.lookups += 1
        found = await super().find_markers(keys)
        await self.permits.acquire()
        if self.is_unavailable:
            raise BrokerUnavailable(target="test")
        return found


class CancellationHarness:
    def __init__(self, clock: FakeClock) -> None:
        self.broker = SlowBroker(clock)
        self.jobs_messenger = self._create_messenger("jobs")
        self.checker = CancellationChecker(self._create_messenger("jobs-worker"))

    def _create_messenger(self, process: str) -> Messenger:
        metrics = Metrics(process, "test")
        return Messenger(self.broker, process, "test", metrics=metrics)

    async def start_check(self, job_id: UUID) -> "asyncio.Task[bool]":
        """Start a check and let it reach the broker."""
        check = asyncio.create_task(self.checker(job_id))
        for _ in range(5):
            await asyncio.sleep(0)
        return check


@pytest.fixture
def harness(fake_clock: FakeClock) -> CancellationHarness:
    return CancellationHarness(fake_clock)


async def test_checks_during_a_lookup_share_the_next(harness: CancellationHarness) -> None:
    jobs = [uuid4() for _ in range(50)]
    await mark_cancelled(harness.jobs_messenger, *jobs[::2])
    checks = [await harness.start_check(job) for job in jobs]
    for _ in range(2):
        harness.broker.permits.release()
    assert await asyncio.gather(*checks) == [True, False] * 25
    assert harness.broker.lookups == 2


async def test_a_marker_set_before_the_check_is_found(harness: CancellationHarness) -> None:
    job = uuid4()
    early = await harness.start_check(job)
    await mark_cancelled(harness.jobs_messenger, job)
    late = await harness.start_check(job)
    for _ in range(2):
        harness.broker.permits.release()
    assert [await early, await late] == [False, True]


async def test_markers_are_found_by_every_process_of_the_environment_until_they_expire(
    fake_clock: FakeClock,
) -> None:
    broker, metrics = MemoryBroker(fake_clock), Metrics("test", "test")
    worker = Messenger(broker, "jobs-worker", "test", metrics=metrics)
    elsewhere = Messenger(broker, "jobs-worker", "other", metrics=metrics)
    cancelled, other = uuid4(), uuid4()
    await mark_cancelled(Messenger(broker, "jobs", "test", metrics=metrics), cancelled)
    await fake_clock.advance(59)
    assert await find_cancelled(worker, [cancelled, other]) == {cancelled}
    assert await find_cancelled(elsewhere, [cancelled]) == frozenset()
    assert await find_cancelled(worker, []) == frozenset()
    await fake_clock.advance(2)
    assert await find_cancelled(worker, [cancelled]) == frozenset()


async def test_an_unavailable_broker_fails_only_the_waiting_checks(
    harness: CancellationHarness,
) -> None:
    harness.broker.is_unavailable = True
    first, gone = await harness.start_check(uuid4()), await harness.start_check(uuid4())
    gone.cancel()
    harness.broker.permits.release()
    with pytest.raises(BrokerUnavailable):
        await first
    harness.broker.permits.release()
    harness.broker.is_unavailable = False
    harness.broker.permits.release()
    assert await (await harness.start_check(uuid4())) is False
    with pytest.raises(asyncio.CancelledError):
        await gone
