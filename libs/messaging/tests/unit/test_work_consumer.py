"""Long work: up to `concurrency` at once, and every end is reported to its owner."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

import pytest

from msaas.contracts import JobEnvelope, JobFailed, JobLost, LossReason, decode, get_topic
from msaas.kernel import Clock
from msaas.messaging import (
    BrokerUnavailable,
    Delivery,
    Messenger,
    OutgoingMessage,
)
from msaas.messaging.loop import BrokerLoop
from msaas.streams import CommitResult, StreamConsumer, Write
from msaas.testing import MemoryBroker, build_job_envelope, build_job_succeeded, wait_until
from msaas.worker import AbandonReason, WorkConsumer

ENV = "test"
JOBS = get_topic("jobs.generic").key(ENV, "jobs-worker")
RESULTS = get_topic("jobs.results").key(ENV, "jobs")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PEER = StreamConsumer(JOBS, "jobs", "jobs-worker-peer")
HOURS = 9999

Running = Callable[[BrokerLoop], AbstractAsyncContextManager[asyncio.Task[None]]]


class RecordingHandler:
    """Works for as long as the envelope specifies, fails on demand, and reports every end."""

    def __init__(self) -> None:
        self.begun: list[UUID] = []
        self.cancelled: list[UUID] = []
        self.failures: list[Exception] = []
        self.at_work = self.most_at_work = 0
        self.report_fails = False

    async def run(self, delivery: Delivery) -> Sequence[OutgoingMessage]:
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

    def on_abandoned(
        self, delivery: Delivery, reason: AbandonReason, error: Exception | None = None
    ) -> Sequence[OutgoingMessage]:
        if self.report_fails:
            raise LookupError("no report")
        envelope = cast("JobEnvelope", delivery.message)
        job_id, fence = envelope.job_id, envelope.fence
        if reason is not AbandonReason.FAILED:
            lost = JobLost(job_id=job_id, fence=fence, reason=LossReason(reason.value))
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


class FlakyBroker(MemoryBroker):
    """A broker that refuses commits while `refuses` is set."""

    refuses = False

    async def commit(
        self,
        writes: Sequence[Write],
        consumer: StreamConsumer | None = None,
        acked_ids: Sequence[str] = (),
    ) -> CommitResult:
        if self.refuses:
            raise BrokerUnavailable(target="redis")
        return await super().commit(writes, consumer, acked_ids)


class WorkHarness:
    """An owner that publishes jobs, and one worker process."""

    def __init__(self, broker: FlakyBroker, make_messenger: Callable[..., Messenger]) -> None:
        self.broker, self.handler = broker, RecordingHandler()
        self._owner = make_messenger(broker, "jobs")
        self._context = make_messenger(broker, "jobs-worker").context

    def consumer(self, concurrency: int = 5) -> WorkConsumer:
        return WorkConsumer(self._context, "jobs.generic", self.handler, concurrency=concurrency)

    async def put(self, seconds: float) -> UUID:
        envelope = build_job_envelope(payload={"seconds": seconds})
        await self._owner.publisher.publish("jobs.generic", envelope, correlation_id="c")
        return envelope.job_id

    async def withdraw_all(self) -> None:
        found = await self.broker.tail({JOBS: "0-0"}, 1000, 0)
        await self._owner.withdraw("jobs.generic", [raw.entry_id for raw in found[JOBS]])

    async def list_reports(self) -> list[str]:
        """Return the reports that the owner received, by their kinds."""
        found = await self.broker.tail({RESULTS: "0-0"}, 1000, 0)
        messages = [decode(get_topic("jobs.results"), raw.fields) for raw in found.get(RESULTS, [])]
        return [str(getattr(message.message, "reason", message.type)) for message in messages]

    async def left(self) -> int:
        return await self.broker.depth(JOBS)

    async def done(self, count: int) -> bool:
        return len(await self.list_reports()) == count


@pytest.fixture
def broker(clock: Clock) -> FlakyBroker:
    return FlakyBroker(clock)


@pytest.fixture
def harness(broker: FlakyBroker, make_messenger: Callable[..., Messenger]) -> WorkHarness:
    return WorkHarness(broker, make_messenger)


async def test_no_more_work_is_taken_than_there_are_slots(
    harness: WorkHarness, running: Running
) -> None:
    jobs = [await harness.put(seconds=2) for _ in range(8)]
    async with running(harness.consumer(concurrency=3)):
        await asyncio.sleep(1)
        assert harness.handler.begun == jobs[:3]
        await wait_until(lambda: harness.done(8))
    assert harness.handler.most_at_work == 3
    assert sorted(harness.handler.begun) == sorted(jobs)
    assert (await harness.list_reports(), await harness.left()) == (["JobSucceeded"] * 8, 0)


async def test_a_slot_that_is_free_again_is_filled_while_others_go_on(
    harness: WorkHarness, running: Running
) -> None:
    await harness.put(seconds=100)
    for _ in range(4):
        await harness.put(seconds=1)
    async with running(harness.consumer(concurrency=2)):
        await asyncio.sleep(20)
        assert await harness.list_reports() == ["JobSucceeded"] * 4
        await wait_until(lambda: harness.done(5), timeout=200)


async def test_a_worker_that_raises_is_reported_and_the_loop_goes_on(
    harness: WorkHarness, running: Running
) -> None:
    harness.handler.failures = [ValueError("bad"), OSError("worse")]
    async with running(harness.consumer(concurrency=1)):
        for _ in range(3):
            await harness.put(seconds=1)
        await wait_until(lambda: harness.done(3))
    assert await harness.list_reports() == ["JobFailed", "JobFailed", "JobSucceeded"]
    assert await harness.left() == 0


async def test_a_worker_that_cannot_report_a_failure_frees_its_slot_and_stops_no_loop(
    harness: WorkHarness, running: Running
) -> None:
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    harness.handler.failures.append(ValueError("bad"))
    harness.handler.report_fails = True
    async with running(harness.consumer(concurrency=1)):
        await harness.put(seconds=1)
        await harness.put(seconds=1)
        await wait_until(lambda: harness.done(1))
        harness.handler.report_fails = False
        await wait_until(lambda: harness.done(2))
    assert await harness.list_reports() == ["JobSucceeded", "reclaimed"]
    assert faults == []


async def test_long_work_is_held_against_peers(harness: WorkHarness, running: Running) -> None:
    await harness.put(seconds=60)
    async with running(harness.consumer()):
        await asyncio.sleep(1)
        for _ in range(50):
            await asyncio.sleep(1)
            assert await harness.broker.reclaim(PEER, 10, 10) == []
        await wait_until(lambda: harness.done(1))
    assert await harness.list_reports() == ["JobSucceeded"]


async def test_work_that_a_peer_took_over_is_cancelled_and_left_to_the_peer(
    harness: WorkHarness, running: Running
) -> None:
    job_id = await harness.put(seconds=60)
    async with running(harness.consumer()):
        await asyncio.sleep(1)
        [taken] = await harness.broker.reclaim(PEER, 0, 10)
        await wait_until(lambda: harness.handler.cancelled == [job_id])
        assert await harness.list_reports() == []
    assert await harness.broker.extend_leases(PEER, [taken.entry_id], 0) == {taken.entry_id}
    assert (await harness.list_reports(), await harness.left()) == ([], 1)


async def test_a_run_whose_entry_was_withdrawn_is_cancelled_within_two_heartbeats_and_not_reported(
    harness: WorkHarness, running: Running
) -> None:
    job_id = await harness.put(seconds=60)
    async with running(harness.consumer()):
        await asyncio.sleep(1)
        await harness.withdraw_all()
        await asyncio.sleep(6.1)
        assert harness.handler.cancelled == [job_id]
    assert await harness.list_reports() == []


async def test_what_a_silent_peer_may_have_begun_is_reported_and_never_run(
    harness: WorkHarness, running: Running
) -> None:
    await harness.put(seconds=1)
    await harness.broker.ensure_group(PEER)
    assert len(await harness.broker.read(PEER, 1, 0)) == 1
    async with running(harness.consumer()):
        await wait_until(lambda: harness.done(1))
    assert (await harness.list_reports(), harness.handler.begun) == (["reclaimed"], [])
    assert await harness.left() == 0


async def test_a_peer_that_could_not_send_heartbeats_during_an_outage_keeps_its_entries(
    harness: WorkHarness, running: Running
) -> None:
    await harness.put(seconds=1)
    await harness.broker.ensure_group(PEER)
    [work] = await harness.broker.read(PEER, 1, 0)
    async with running(harness.consumer()):
        harness.broker.fail_with(BrokerUnavailable(target="redis"))
        await asyncio.sleep(30)
        harness.broker.fail_with(None)
        await asyncio.sleep(5)
        assert await harness.broker.extend_leases(PEER, [work.entry_id], 3) == {work.entry_id}
        await asyncio.sleep(9)
        assert await harness.list_reports() == []
        await wait_until(lambda: harness.done(1))
    assert await harness.list_reports() == ["reclaimed"]


async def test_work_that_ends_while_draining_is_acknowledged_and_none_is_started(
    harness: WorkHarness, running: Running
) -> None:
    await harness.put(seconds=15)
    async with running(harness.consumer()):
        await asyncio.sleep(1.5)
    await harness.put(seconds=1)
    assert (await harness.list_reports(), await harness.left()) == (["JobSucceeded"], 1)


async def test_work_that_is_late_when_drained_is_cancelled_and_reported(
    harness: WorkHarness, running: Running
) -> None:
    jobs = [await harness.put(seconds=HOURS) for _ in range(3)]
    async with running(harness.consumer()):
        await asyncio.sleep(1)
    assert sorted(harness.handler.cancelled) == sorted(jobs)
    assert (await harness.list_reports(), await harness.left()) == (["drained"] * 3, 0)


@pytest.mark.parametrize("end", ["succeeds", "fails", "is late"])
async def test_entries_that_cannot_be_acknowledged_on_a_drain_are_released_as_if_never_delivered(
    harness: WorkHarness, running: Running, end: str
) -> None:
    await harness.put(seconds=HOURS if end == "is late" else 5)
    harness.handler.failures = [ValueError("bad")] if end == "fails" else []
    async with running(harness.consumer()):
        await asyncio.sleep(1)
        harness.broker.refuses = True
        harness.handler.begun.clear()
    [again] = await harness.broker.reclaim(PEER, HOURS, 10)
    assert again.delivery_count == 1
    assert await harness.list_reports() == []


async def test_a_broker_that_refuses_is_waited_out_where_nothing_drains(
    harness: WorkHarness, running: Running
) -> None:
    await harness.put(seconds=1)
    async with running(harness.consumer()):
        harness.broker.refuses = True
        await asyncio.sleep(60)
        harness.broker.refuses = False
        await wait_until(lambda: harness.done(1))
    assert (await harness.list_reports(), len(harness.handler.begun)) == (["JobSucceeded"], 1)
