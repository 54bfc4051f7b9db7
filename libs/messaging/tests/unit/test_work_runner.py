"""Long work: as many at once as there are slots, and every end of it told to its owner."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

import pytest

from msaas.contracts import JobEnvelope, JobFailed, JobLost, LossReason, decode, get_topic
from msaas.kernel import Clock
from msaas.messaging import Delivery, GivenUp, Messenger, Outgoing, WireUnavailable, WorkRunner
from msaas.messaging.loop import Loop
from msaas.streams import Committed, Source, Write
from msaas.testing import MemoryWire, build_job_envelope, build_job_succeeded, wait_until

ENV = "test"
JOBS = get_topic("jobs.generic").key(ENV, "jobs-worker")
RESULTS = get_topic("jobs.results").key(ENV, "jobs")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PEER = Source(JOBS, "jobs", "jobs-worker-peer")
HOURS = 9999

Running = Callable[[Loop], AbstractAsyncContextManager[asyncio.Task[None]]]


class Hands:
    """Work for as long as an envelope says, fail where told to, and report every end."""

    def __init__(self) -> None:
        self.begun: list[UUID] = []
        self.cancelled: list[UUID] = []
        self.failures: list[Exception] = []
        self.at_work = self.most_at_work = 0
        self.speechless = False

    async def run(self, delivery: Delivery) -> Sequence[Outgoing]:
        envelope = cast("JobEnvelope", delivery.message)
        self.begun.append(envelope.job_id)
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await asyncio.sleep(cast("float", envelope.payload["seconds"]))
        except asyncio.CancelledError:
            self.cancelled.append(envelope.job_id)
            raise
        finally:
            self.at_work -= 1
        if self.failures:
            raise self.failures.pop()
        return [delivery.emit("jobs.results", build_job_succeeded(envelope))]

    def give_up(
        self, delivery: Delivery, why: GivenUp, error: Exception | None = None
    ) -> Sequence[Outgoing]:
        if self.speechless:
            raise LookupError("no words")
        envelope = cast("JobEnvelope", delivery.message)
        job_id, fence = envelope.job_id, envelope.fence
        if why is not GivenUp.FAILED:
            lost = JobLost(job_id=job_id, fence=fence, reason=LossReason(why.value))
            return [delivery.emit("jobs.results", lost)]
        failed = JobFailed(
            job_id=job_id,
            fence=fence,
            failure_reason="broken",
            last_error=str(error),
            retryable=True,
            finished_at=NOON,
        )
        return [delivery.emit("jobs.results", failed)]


class FickleWire(MemoryWire):
    """Commits nothing while it refuses, and does all else."""

    refuses = False

    async def commit(
        self, writes: Sequence[Write], source: Source | None = None, done: Sequence[str] = ()
    ) -> Committed:
        if self.refuses:
            raise WireUnavailable(target="redis")
        return await super().commit(writes, source, done)


class Floor:
    """An owner that hands out jobs, and one worker process."""

    def __init__(self, wire: FickleWire, stand: Callable[..., Messenger]) -> None:
        self.wire, self.hands = wire, Hands()
        self._owner = stand(wire, "jobs", "jobs.generic")
        self._station = stand(wire, "jobs-worker", "jobs.results").station

    def runner(self, slots: int = 5) -> WorkRunner:
        return WorkRunner(self._station, "jobs.generic", self.hands, slots=slots)

    async def put(self, seconds: float) -> UUID:
        envelope = build_job_envelope(payload={"seconds": seconds})
        await self._owner.publisher.publish("jobs.generic", envelope, correlation_id="c")
        return envelope.job_id

    async def withdraw_all(self) -> None:
        found = await self.wire.tail({JOBS: "0-0"}, 1000, 0)
        await self._owner.withdraw("jobs.generic", [raw.entry_id for raw in found[JOBS]])

    async def told(self) -> list[str]:
        """Say what the owner has been told, in a word each."""
        found = await self.wire.tail({RESULTS: "0-0"}, 1000, 0)
        messages = [decode(get_topic("jobs.results"), raw.fields) for raw in found.get(RESULTS, [])]
        return [str(getattr(one.message, "reason", one.type)) for one in messages]

    async def left(self) -> int:
        return await self.wire.depth(JOBS)

    async def done(self, count: int) -> bool:
        return len(await self.told()) == count


@pytest.fixture
def wire(clock: Clock) -> FickleWire:
    return FickleWire(clock)


@pytest.fixture
def floor(wire: FickleWire, stand: Callable[..., Messenger]) -> Floor:
    return Floor(wire, stand)


async def test_no_more_work_is_taken_than_there_are_slots(floor: Floor, running: Running) -> None:
    jobs = [await floor.put(seconds=2) for _ in range(8)]
    async with running(floor.runner(slots=3)):
        await asyncio.sleep(1)
        assert floor.hands.begun == jobs[:3]
        await wait_until(lambda: floor.done(8))
    assert floor.hands.most_at_work == 3
    assert sorted(floor.hands.begun) == sorted(jobs)
    assert (await floor.told(), await floor.left()) == (["JobSucceeded"] * 8, 0)


async def test_a_slot_that_is_free_again_is_filled_while_others_go_on(
    floor: Floor, running: Running
) -> None:
    await floor.put(seconds=100)
    for _ in range(4):
        await floor.put(seconds=1)
    async with running(floor.runner(slots=2)):
        await asyncio.sleep(20)
        assert await floor.told() == ["JobSucceeded"] * 4
        await wait_until(lambda: floor.done(5), timeout=200)


async def test_a_worker_that_raises_is_reported_and_the_loop_goes_on(
    floor: Floor, running: Running
) -> None:
    floor.hands.failures = [ValueError("bad"), OSError("worse")]
    async with running(floor.runner(slots=1)):
        for _ in range(3):
            await floor.put(seconds=1)
        await wait_until(lambda: floor.done(3))
    assert await floor.told() == ["JobFailed", "JobFailed", "JobSucceeded"]
    assert await floor.left() == 0


async def test_a_worker_without_words_for_its_failure_keeps_no_slot_and_stops_no_loop(
    floor: Floor, running: Running
) -> None:
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    floor.hands.failures.append(ValueError("bad"))
    floor.hands.speechless = True
    async with running(floor.runner(slots=1)):
        await floor.put(seconds=1)
        await floor.put(seconds=1)
        await wait_until(lambda: floor.done(1))
        floor.hands.speechless = False
        await wait_until(lambda: floor.done(2))
    assert await floor.told() == ["JobSucceeded", "reclaimed"]
    assert faults == []


async def test_long_work_is_held_against_peers(floor: Floor, running: Running) -> None:
    await floor.put(seconds=60)
    async with running(floor.runner()):
        await asyncio.sleep(1)
        for _ in range(50):
            await asyncio.sleep(1)
            assert await floor.wire.reclaim(PEER, 10, 10) == []
        await wait_until(lambda: floor.done(1))
    assert await floor.told() == ["JobSucceeded"]


async def test_work_that_a_peer_took_over_is_cancelled_and_left_to_the_peer(
    floor: Floor, running: Running
) -> None:
    job_id = await floor.put(seconds=60)
    async with running(floor.runner()):
        await asyncio.sleep(1)
        [taken] = await floor.wire.reclaim(PEER, 0, 10)
        await wait_until(lambda: floor.hands.cancelled == [job_id])
        assert await floor.told() == []
    assert await floor.wire.hold(PEER, [taken.entry_id], 0) == {taken.entry_id}
    assert (await floor.told(), await floor.left()) == ([], 1)


async def test_a_run_whose_entry_was_withdrawn_is_cancelled_within_two_beats_and_not_reported(
    floor: Floor, running: Running
) -> None:
    job_id = await floor.put(seconds=60)
    async with running(floor.runner()):
        await asyncio.sleep(1)
        await floor.withdraw_all()
        await asyncio.sleep(6.1)
        assert floor.hands.cancelled == [job_id]
    assert await floor.told() == []


async def test_what_a_silent_peer_may_have_begun_is_reported_and_never_run(
    floor: Floor, running: Running
) -> None:
    await floor.put(seconds=1)
    await floor.wire.ensure_group(PEER)
    assert len(await floor.wire.read(PEER, 1, 0)) == 1
    async with running(floor.runner()):
        await wait_until(lambda: floor.done(1))
    assert (await floor.told(), floor.hands.begun) == (["reclaimed"], [])
    assert await floor.left() == 0


async def test_a_peer_that_could_not_beat_while_the_wire_was_away_keeps_its_work(
    floor: Floor, running: Running
) -> None:
    await floor.put(seconds=1)
    await floor.wire.ensure_group(PEER)
    [work] = await floor.wire.read(PEER, 1, 0)
    async with running(floor.runner()):
        floor.wire.fail_with(WireUnavailable(target="redis"))
        await asyncio.sleep(30)
        floor.wire.fail_with(None)
        await asyncio.sleep(5)
        assert await floor.wire.hold(PEER, [work.entry_id], 3) == {work.entry_id}
        await asyncio.sleep(9)
        assert await floor.told() == []
        await wait_until(lambda: floor.done(1))
    assert await floor.told() == ["reclaimed"]


async def test_work_that_ends_while_draining_is_settled_and_nothing_new_begun(
    floor: Floor, running: Running
) -> None:
    await floor.put(seconds=15)
    async with running(floor.runner()):
        await asyncio.sleep(1.5)
    await floor.put(seconds=1)
    assert (await floor.told(), await floor.left()) == (["JobSucceeded"], 1)


async def test_work_that_is_late_when_drained_is_cancelled_and_reported(
    floor: Floor, running: Running
) -> None:
    jobs = [await floor.put(seconds=HOURS) for _ in range(3)]
    async with running(floor.runner()):
        await asyncio.sleep(1)
    assert sorted(floor.hands.cancelled) == sorted(jobs)
    assert (await floor.told(), await floor.left()) == (["drained"] * 3, 0)


@pytest.mark.parametrize("end", ["succeeds", "fails", "is late"])
async def test_what_cannot_be_settled_on_a_drain_goes_back_as_if_never_delivered(
    floor: Floor, running: Running, end: str
) -> None:
    await floor.put(seconds=HOURS if end == "is late" else 5)
    floor.hands.failures = [ValueError("bad")] if end == "fails" else []
    async with running(floor.runner()):
        await asyncio.sleep(1)
        floor.wire.refuses = True
        floor.hands.begun.clear()
    [again] = await floor.wire.reclaim(PEER, HOURS, 10)
    assert again.deliveries == 1
    assert await floor.told() == []


async def test_a_wire_that_refuses_is_waited_out_where_nothing_drains(
    floor: Floor, running: Running
) -> None:
    await floor.put(seconds=1)
    async with running(floor.runner()):
        floor.wire.refuses = True
        await asyncio.sleep(60)
        floor.wire.refuses = False
        await wait_until(lambda: floor.done(1))
    assert (await floor.told(), len(floor.hands.begun)) == (["JobSucceeded"], 1)
