"""Entries that wait for older ones: they are handled last, by whichever consumer has them."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from uuid import UUID

import pytest

from msaas.contracts import SubmitJob, get_topic
from msaas.messaging import BatchConsumer, Delivery, Messenger, OutgoingMessage, batch_consumer
from msaas.messaging.loop import BrokerLoop
from msaas.streams import StreamConsumer
from msaas.testing import MemoryBroker, build_submit_job, wait_until

ENV = "test"
TOPIC = get_topic("jobs.commands")
KEY = TOPIC.key(ENV, "jobs")
PEER = StreamConsumer(KEY, "jobs", "jobs-peer")
LAST = 9
"""The priority of the commands that wait in these tests."""

Running = Callable[[BrokerLoop], AbstractAsyncContextManager[asyncio.Task[None]]]


class HeldHarness:
    """Two consumers of one group, and a list of what was handled, in its order."""

    def __init__(self, broker: MemoryBroker, make_messenger: Callable[..., Messenger]) -> None:
        self.broker = broker
        self.handled: list[UUID] = []
        self.fails: set[UUID] = set()
        self._make_messenger = make_messenger
        self._publisher = make_messenger(broker, "gateway").publisher

    def consumer(self) -> BatchConsumer:
        context = self._make_messenger(self.broker, "jobs").context
        return BatchConsumer(
            context, TOPIC.name, self._handle, 200, 0, waits_for_older=self._is_last
        )

    async def send(self, priority: int = 1) -> UUID:
        command = build_submit_job(priority=priority)
        await self._publisher.send(
            OutgoingMessage(message=command, topic=TOPIC.name, correlation_id="c")
        )
        return command.job_id

    async def take_as_peer(self) -> None:
        await self.broker.ensure_group(PEER)
        await self.broker.read(PEER, 1, 0)

    async def is_empty(self) -> bool:
        return await self.broker.depth(KEY) == 0

    def _is_last(self, delivery: Delivery) -> bool:
        return isinstance(delivery.message, SubmitJob) and delivery.message.priority == LAST

    async def _handle(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        jobs = [d.message.job_id for d in batch if isinstance(d.message, SubmitJob)]
        if self.fails & set(jobs):
            self.fails.clear()
            raise ValueError("once")
        self.handled += jobs
        return []


@pytest.fixture
def harness(broker: MemoryBroker, make_messenger: Callable[..., Messenger]) -> HeldHarness:
    return HeldHarness(broker, make_messenger)


async def test_an_entry_waits_for_what_a_dead_peer_has_read_and_newer_ones_do_not(
    harness: HeldHarness, running: Running
) -> None:
    older = await harness.send()
    await harness.take_as_peer()
    last, newer = await harness.send(LAST), await harness.send()
    async with running(harness.consumer()):
        await wait_until(harness.is_empty, timeout=600)
    assert harness.handled == [newer, older, last]


async def test_an_entry_that_waits_for_nothing_is_handled_at_once(harness: HeldHarness) -> None:
    jobs = [await harness.send(), await harness.send(LAST), await harness.send()]
    await harness.consumer().step()
    assert harness.handled == [jobs[0], jobs[2], jobs[1]]
    assert await harness.is_empty()


async def test_an_entry_waits_for_one_that_failed_in_its_own_batch(
    harness: HeldHarness, running: Running
) -> None:
    failing, last = await harness.send(), await harness.send(LAST)
    harness.fails.add(failing)
    async with running(harness.consumer()):
        await wait_until(harness.is_empty, timeout=600)
    assert harness.handled == [failing, last]


async def test_waiting_counts_as_no_delivery_and_no_peer_takes_the_entry(
    harness: HeldHarness, running: Running
) -> None:
    """A peer that lives extends its leases: the entry waits for longer than any reclaim."""
    older = await harness.send()
    await harness.take_as_peer()
    last = await harness.send(LAST)
    async with running(harness.consumer()):
        for _ in range(60):
            await asyncio.sleep(1)
            await harness.broker.extend_leases(PEER, [await oldest(harness)], 1)
            assert harness.handled == []
        await wait_until(harness.is_empty, timeout=600)
    assert harness.handled == [older, last]


async def oldest(harness: HeldHarness) -> str:
    [entry] = await harness.broker.peek(KEY, 1)
    return entry.entry_id


async def test_a_drained_consumer_hands_its_waiting_entries_back(
    harness: HeldHarness, running: Running
) -> None:
    older = await harness.send()
    await harness.take_as_peer()
    last = await harness.send(LAST)
    async with running(harness.consumer()):
        await asyncio.sleep(1)
    assert harness.handled == []
    [first, second] = await harness.broker.reclaim(PEER, 0, 10)
    assert (first.delivery_count, second.delivery_count) == (2, 1), "its delivery is not counted"
    await harness.broker.release(PEER, [first, second])
    async with running(harness.consumer()):
        await wait_until(harness.is_empty, timeout=600)
    assert harness.handled == [older, last]


async def test_an_entry_that_waited_when_redis_lost_its_data_is_forgotten(
    harness: HeldHarness, running: Running
) -> None:
    await harness.send()
    await harness.take_as_peer()
    await harness.send(LAST)
    async with running(harness.consumer()):
        await asyncio.sleep(1)
        harness.broker.flush()
        after = await harness.send()
        await wait_until(lambda: harness.handled == [after], timeout=600)
        await asyncio.sleep(60)
    assert harness.handled == [after]


async def test_many_waiting_entries_stop_the_reading_and_not_the_reclaiming(
    harness: HeldHarness, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_consumer, "MAX_HELD", 2)
    older = await harness.send()
    await harness.take_as_peer()
    waiting = [await harness.send(LAST) for _ in range(2)]
    async with running(harness.consumer()):
        await asyncio.sleep(1)
        newer = await harness.send()
        await wait_until(harness.is_empty, timeout=600)
    assert harness.handled == [older, *waiting, newer]
