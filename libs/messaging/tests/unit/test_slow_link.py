"""A link that carries some bytes a second: a batch is worked off once, however large it is."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

import pytest

from msaas.contracts import SubmitJob, get_topic
from msaas.kernel import Clock
from msaas.messaging import BatchConsumer, BrokerUnavailable, Delivery, Messenger, OutgoingMessage
from msaas.messaging.loop import BrokerLoop
from msaas.streams import MAX_READ_BYTES, CommitResult, RawEntry, StreamConsumer, Write
from msaas.testing import MemoryBroker, build_submit_job, build_usage_recorded, wait_until

ENV = "test"
TOPIC = get_topic("jobs.commands")
COMMANDS, USAGE = TOPIC.key(ENV, "jobs"), get_topic("usage.events").key(ENV, "billing")
BYTES_PER_SECOND = 1_100_000
REPLY_SECONDS = 1.5

Running = Callable[[BrokerLoop], AbstractAsyncContextManager[asyncio.Task[None]]]


class SlowBroker(MemoryBroker):
    """Acts, and loses the answer where its bytes take longer than a caller waits."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.reads: list[int] = []
        self.lost_answers = 0
        self.loses_next_ack = False

    async def read(self, consumer: StreamConsumer, count: int, block: float) -> list[RawEntry]:
        found = await super().read(consumer, count, block)
        await self._carry(found)
        return found

    async def reclaim(
        self,
        consumer: StreamConsumer,
        min_idle: float,
        count: int,
        skip: frozenset[str] = frozenset(),
    ) -> list[RawEntry]:
        found = await super().reclaim(consumer, min_idle, count, skip)
        await self._carry(found)
        return found

    async def commit(
        self,
        writes: Sequence[Write],
        consumer: StreamConsumer | None = None,
        acked_ids: Sequence[str] = (),
    ) -> CommitResult:
        if acked_ids and self.loses_next_ack:
            self.loses_next_ack = False
            raise BrokerUnavailable(target="memory")
        return await super().commit(writes, consumer, acked_ids)

    async def _carry(self, found: Sequence[RawEntry]) -> None:
        size = sum(raw.size for raw in found)
        self.reads.append(len(found))
        await asyncio.sleep(min(REPLY_SECONDS, size / BYTES_PER_SECOND))
        if size > REPLY_SECONDS * BYTES_PER_SECOND:
            self.lost_answers += 1
            raise BrokerUnavailable(target="memory")


class SlowLinkHarness:
    """A gateway, and an owner that publishes many facts about each command."""

    def __init__(self, broker: SlowBroker, make_messenger: Callable[..., Messenger]) -> None:
        self.broker = broker
        self.facts_for_each = 1
        self.deliveries: list[int] = []
        self._gateway = make_messenger(broker, "gateway").publisher
        self._context = make_messenger(broker, "jobs").context

    def consumer(self) -> BatchConsumer:
        return BatchConsumer(self._context, TOPIC.name, self._handle, 200, 0)

    async def send(self, count: int, size: int) -> None:
        for _ in range(count):
            command = build_submit_job(payload={"message": "x" * size})
            await self._gateway.publish(TOPIC.name, command, correlation_id="c")

    async def is_empty(self) -> bool:
        return await self.broker.depth(COMMANDS) == 0

    async def count_facts(self) -> Counter[bytes]:
        found = await self.broker.tail({USAGE: "0-0"}, 10_000, 0)
        return Counter(raw.fields[b"data"] for raw in found.get(USAGE, ()))

    async def _handle(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        self.deliveries += [delivery.raw.delivery_count for delivery in batch]
        jobs = [d.message.job_id for d in batch if isinstance(d.message, SubmitJob)]
        return [
            batch[0].emit("usage.events", build_usage_recorded(seq=seq, job_id=job_id))
            for job_id in jobs
            for seq in range(1, self.facts_for_each + 1)
        ]


@pytest.fixture
def slow_broker(clock: Clock) -> SlowBroker:
    return SlowBroker(clock)


@pytest.fixture
def harness(slow_broker: SlowBroker, make_messenger: Callable[..., Messenger]) -> SlowLinkHarness:
    return SlowLinkHarness(slow_broker, make_messenger)


async def test_large_entries_are_read_in_small_parts_and_delivered_once(
    harness: SlowLinkHarness, running: Running
) -> None:
    await harness.send(100, size=200_000)
    async with running(harness.consumer()):
        await wait_until(harness.is_empty, timeout=600)
    assert (harness.deliveries, harness.broker.lost_answers) == ([1] * 100, 0)


async def test_small_entries_are_read_in_large_parts(
    harness: SlowLinkHarness, running: Running
) -> None:
    await harness.send(1_000, size=100)
    async with running(harness.consumer()):
        await wait_until(harness.is_empty, timeout=600)
    assert 200 in harness.broker.reads
    assert harness.deliveries == [1] * 1_000


async def test_large_entries_after_small_ones_are_delivered_again_in_parts_that_arrive(
    harness: SlowLinkHarness, running: Running
) -> None:
    await harness.send(200, size=100)
    await harness.send(100, size=200_000)
    async with running(harness.consumer()):
        await wait_until(harness.is_empty, timeout=600)
    assert harness.broker.lost_answers == 1
    assert max(harness.deliveries) == 2
    assert len(harness.deliveries) == 300


async def test_what_was_published_is_not_repeated_where_its_acknowledgement_fails(
    harness: SlowLinkHarness, running: Running
) -> None:
    harness.facts_for_each = 300
    await harness.send(5, size=100)
    harness.broker.loses_next_ack = True
    async with running(harness.consumer()):
        await wait_until(harness.is_empty, timeout=600)
    facts = await harness.count_facts()
    assert (len(facts), facts.total()) == (1_500, 1_500)


def test_a_reply_of_the_largest_read_arrives_in_time() -> None:
    assert MAX_READ_BYTES / BYTES_PER_SECOND < REPLY_SECONDS
