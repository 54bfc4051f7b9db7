"""Runs that begin at once look for their cancellation together, and none by an old answer."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from msaas.messaging import Messenger
from msaas.streams import BrokerUnavailable
from msaas.telemetry import Metrics
from msaas.testing import FakeClock, MemoryBroker
from msaas.worker.cancellation import CancellationChecker


class SlowBroker(MemoryBroker):
    """Answers a look when told to, with what was marked when the look began."""

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
        """Ask, and come back when the wire has been asked as far as it will be for now."""
        asking = asyncio.create_task(self.checker(job_id))
        for _ in range(5):
            await asyncio.sleep(0)
        return asking


@pytest.fixture
def harness(fake_clock: FakeClock) -> CancellationHarness:
    return CancellationHarness(fake_clock)


async def test_checks_during_a_lookup_share_the_next(harness: CancellationHarness) -> None:
    jobs = [uuid4() for _ in range(50)]
    await harness.jobs_messenger.mark_cancelled(jobs[::2], timedelta(seconds=60))
    asking = [await harness.start_check(job) for job in jobs]
    for _ in range(2):
        harness.broker.permits.release()
    assert await asyncio.gather(*asking) == [True, False] * 25
    assert harness.broker.lookups == 2


async def test_a_mark_set_before_the_check_is_seen(harness: CancellationHarness) -> None:
    job = uuid4()
    early = await harness.start_check(job)
    await harness.jobs_messenger.mark_cancelled([job], timedelta(seconds=60))
    late = await harness.start_check(job)
    for _ in range(2):
        harness.broker.permits.release()
    assert [await early, await late] == [False, True]


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
