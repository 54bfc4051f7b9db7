"""Runs that begin at once look for their cancellation together, and none by an old answer."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from msaas.messaging import Messenger
from msaas.streams import WireUnavailable
from msaas.telemetry import Metrics
from msaas.testing import FakeClock, MemoryWire
from msaas.worker.cancel_marks import CancelMarks


class SlowWire(MemoryWire):
    """Answers a look when told to, with what was marked when the look began."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.looks = 0
        self.is_away = False
        self.answers = asyncio.Semaphore(0)

    async def find_marked(self, keys: Sequence[str]) -> frozenset[str]:
        self.looks += 1
        found = await super().find_marked(keys)
        await self.answers.acquire()
        if self.is_away:
            raise WireUnavailable(target="test")
        return found


class Place:
    def __init__(self, clock: FakeClock) -> None:
        self.wire = SlowWire(clock)
        self.owner = self._stand("jobs", "jobs.control")
        self.look = CancelMarks(self._stand("jobs-worker", "jobs.results"))

    def _stand(self, process: str, produces: str) -> Messenger:
        metrics = Metrics(process, "test")
        return Messenger(self.wire, process, "test", metrics=metrics, produces=[produces])

    async def ask(self, job_id: UUID) -> "asyncio.Task[bool]":
        """Ask, and come back when the wire has been asked as far as it will be for now."""
        asking = asyncio.create_task(self.look(job_id))
        for _ in range(5):
            await asyncio.sleep(0)
        return asking


@pytest.fixture
def place(fake_clock: FakeClock) -> Place:
    return Place(fake_clock)


async def test_all_who_ask_during_a_look_share_the_next(place: Place) -> None:
    jobs = [uuid4() for _ in range(50)]
    await place.owner.mark_cancelled(jobs[::2], timedelta(seconds=60))
    asking = [await place.ask(job) for job in jobs]
    for _ in range(2):
        place.wire.answers.release()
    assert await asyncio.gather(*asking) == [True, False] * 25
    assert place.wire.looks == 2


async def test_a_mark_that_was_there_when_one_asked_is_seen(place: Place) -> None:
    job = uuid4()
    early = await place.ask(job)
    await place.owner.mark_cancelled([job], timedelta(seconds=60))
    late = await place.ask(job)
    for _ in range(2):
        place.wire.answers.release()
    assert [await early, await late] == [False, True]


async def test_a_wire_that_is_away_fails_who_asked_and_nobody_later(place: Place) -> None:
    place.wire.is_away = True
    first, gone = await place.ask(uuid4()), await place.ask(uuid4())
    gone.cancel()
    place.wire.answers.release()
    with pytest.raises(WireUnavailable):
        await first
    place.wire.answers.release()
    place.wire.is_away = False
    place.wire.answers.release()
    assert await (await place.ask(uuid4())) is False
    with pytest.raises(asyncio.CancelledError):
        await gone
