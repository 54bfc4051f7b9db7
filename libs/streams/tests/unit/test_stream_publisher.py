"""What a process may publish: capacity, memory, grants and reply streams."""

import asyncio
from collections.abc import Callable, Sequence
from uuid import uuid4

import pytest

from msaas.contracts import CancelJob, JobHeartbeat, Message, decode, get_topic, reply_key
from msaas.kernel import Overloaded
from msaas.streams import (
    BrokerFull,
    CommitResult,
    Delivery,
    OutgoingMessage,
    StreamConsumer,
    StreamPublisher,
    TopicAccessDenied,
    TopicFull,
    Write,
)
from msaas.testing import (
    FakeClock,
    MemoryBroker,
    build_job_envelope,
    build_job_succeeded,
    build_submit_job,
)

ENV = "test"
COMMANDS = get_topic("jobs.commands").key(ENV, "jobs")
RESULTS = get_topic("jobs.results").key(ENV, "jobs")
REPLIES = reply_key(ENV, "gateway-one")
ENVELOPE = build_job_envelope()
CONSUMER = StreamConsumer(COMMANDS, "jobs", "jobs-one")

OpenPublisher = Callable[..., StreamPublisher]


class LimitedBroker(MemoryBroker):
    """A broker whose depth and memory the test sets; it counts reads of the depth."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.depth_shown: int | None = None
        self.depth_reads = 0
        self.has_memory = True

    async def depth(self, key: str) -> int:
        self.depth_reads += 1
        return await super().depth(key) if self.depth_shown is None else self.depth_shown

    async def commit(
        self,
        writes: Sequence[Write],
        consumer: StreamConsumer | None = None,
        acked_ids: Sequence[str] = (),
    ) -> CommitResult:
        if writes and not self.has_memory:
            raise BrokerFull(target="redis", reply="OOM")
        committed = await super().commit(writes, consumer, acked_ids)
        if self.depth_shown is None:
            return committed
        return CommitResult(committed.entry_ids, dict.fromkeys(committed.depths, self.depth_shown))

    async def length(self, key: str) -> int:
        return len((await self.tail({key: "0-0"}, 1000, 0)).get(key, []))


@pytest.fixture
def broker(fake_clock: FakeClock) -> LimitedBroker:
    return LimitedBroker(fake_clock)


@pytest.fixture
def open_for(broker: LimitedBroker, fake_clock: FakeClock) -> OpenPublisher:
    def open_for(process: str) -> StreamPublisher:
        return StreamPublisher(broker, process, ENV, clock=fake_clock)

    return open_for


def heartbeat() -> JobHeartbeat:
    return JobHeartbeat(job_id=uuid4(), fence=uuid4())


def outgoing(message: Message, topic: str = "jobs.results") -> OutgoingMessage:
    return OutgoingMessage(message=message, topic=topic, correlation_id="c")


async def send_command(
    broker: LimitedBroker, open_for: OpenPublisher, reply_to: str = REPLIES
) -> Delivery:
    """Return a command as its owner receives it."""
    command = OutgoingMessage(
        message=build_submit_job(), topic="jobs.commands", reply_to=reply_to, correlation_id="c"
    )
    await open_for("gateway").send(command)
    await broker.ensure_group(CONSUMER)
    [raw] = await broker.read(CONSUMER, 1, 0)
    return Delivery(raw, decode(get_topic("jobs.commands"), raw.fields))


async def fill(
    publisher: StreamPublisher, broker: LimitedBroker, message: Message, topic: str
) -> None:
    """Let the publisher learn from its own write that the topic is full."""
    broker.depth_shown = get_topic(topic).bound
    await publisher.publish(topic, message, correlation_id="c")


async def test_a_full_topic_refuses_commands(
    broker: LimitedBroker, open_for: OpenPublisher
) -> None:
    publisher = open_for("gateway")
    await fill(publisher, broker, build_submit_job(), "jobs.commands")
    for command in (build_submit_job(), CancelJob(job_id=uuid4(), user_id=uuid4())):
        with pytest.raises(TopicFull) as full:
            await publisher.publish("jobs.commands", command, correlation_id="c")
        assert full.value.context == {"topic": "jobs.commands", "retry_after": 1}
    assert await broker.length(COMMANDS) == 1


async def test_a_full_topic_skips_facts_that_are_published_again(
    broker: LimitedBroker, open_for: OpenPublisher
) -> None:
    publisher = open_for("jobs")
    await fill(publisher, broker, ENVELOPE, "jobs.generic")
    assert await publisher.publish("jobs.generic", ENVELOPE, correlation_id="c") is None
    assert await broker.length(get_topic("jobs.generic").key(ENV, "jobs-worker")) == 1


async def test_a_full_topic_drops_heartbeats_and_admits_the_end_of_a_run(
    broker: LimitedBroker, open_for: OpenPublisher
) -> None:
    publisher = open_for("jobs-worker")
    await fill(publisher, broker, heartbeat(), "jobs.results")
    assert await publisher.publish("jobs.results", heartbeat(), correlation_id="c") is None
    succeeded = build_job_succeeded(ENVELOPE)
    assert await publisher.publish("jobs.results", succeeded, correlation_id="c") is not None
    entry_ids = await publisher.commit(
        [outgoing(heartbeat()), outgoing(succeeded), outgoing(heartbeat())]
    )
    assert (len(entry_ids), await broker.length(RESULTS)) == (1, 3)


async def test_a_topic_with_capacity_for_one_entry_is_not_full(
    broker: LimitedBroker, open_for: OpenPublisher
) -> None:
    publisher = open_for("gateway")
    broker.depth_shown = (get_topic("jobs.commands").bound or 0) - 1
    for _ in range(3):
        assert await publisher.publish("jobs.commands", build_submit_job(), correlation_id="c")
    assert broker.depth_reads == 0


async def test_a_full_topic_is_checked_again_after_a_quarter_of_a_second_and_not_before(
    broker: LimitedBroker, open_for: OpenPublisher, fake_clock: FakeClock
) -> None:
    publisher = open_for("gateway")
    await fill(publisher, broker, build_submit_job(), "jobs.commands")
    broker.depth_shown = 0
    for _ in range(10):
        with pytest.raises(TopicFull):
            await publisher.publish("jobs.commands", build_submit_job(), correlation_id="c")
    await fake_clock.advance(0.25)
    with pytest.raises(TopicFull):
        await publisher.publish("jobs.commands", build_submit_job(), correlation_id="c")
    assert broker.depth_reads == 0
    await fake_clock.advance(0.01)
    assert await publisher.publish("jobs.commands", build_submit_job(), correlation_id="c")
    assert broker.depth_reads == 1


async def test_a_topic_that_stays_full_is_checked_four_times_a_second(
    broker: LimitedBroker, open_for: OpenPublisher, fake_clock: FakeClock
) -> None:
    publisher = open_for("gateway")
    await fill(publisher, broker, build_submit_job(), "jobs.commands")
    for _ in range(100):
        await fake_clock.advance(0.01)
        with pytest.raises(TopicFull):
            await publisher.publish("jobs.commands", build_submit_job(), correlation_id="c")
    assert 3 <= broker.depth_reads <= 4


async def test_without_memory_facts_and_heartbeats_are_dropped(
    broker: LimitedBroker, open_for: OpenPublisher
) -> None:
    broker.has_memory = False
    owner, worker = open_for("jobs"), open_for("jobs-worker")
    assert await owner.publish("jobs.generic", ENVELOPE, correlation_id="c") is None
    assert await worker.publish("jobs.results", heartbeat(), correlation_id="c") is None


async def test_without_memory_commands_and_the_end_of_a_run_are_an_error(
    broker: LimitedBroker, open_for: OpenPublisher
) -> None:
    broker.has_memory = False
    gateway, worker = open_for("gateway"), open_for("jobs-worker")
    with pytest.raises(BrokerFull):
        await gateway.publish("jobs.commands", build_submit_job(), correlation_id="c")
    with pytest.raises(BrokerFull):
        await worker.commit([outgoing(heartbeat()), outgoing(build_job_succeeded(ENVELOPE))])


async def test_without_memory_an_answer_is_dropped_and_its_command_acknowledged(
    broker: LimitedBroker, open_for: OpenPublisher
) -> None:
    delivery = await send_command(broker, open_for)
    broker.has_memory = False
    owner = open_for("jobs")
    outgoing = [*delivery.reply_success(), delivery.emit("jobs.generic", ENVELOPE)]
    assert await owner.commit(outgoing, CONSUMER, [delivery.entry_id]) == []
    assert (await broker.length(COMMANDS), await broker.length(REPLIES)) == (0, 0)


async def test_a_reply_is_published_to_the_requester(
    broker: LimitedBroker, open_for: OpenPublisher
) -> None:
    delivery = await send_command(broker, open_for)
    refused = delivery.reply_error(Overloaded(retry_after=3))
    await open_for("jobs").commit(
        [*delivery.reply_success(n=1), *refused], CONSUMER, [delivery.entry_id]
    )
    assert (await broker.length(REPLIES), await broker.length(COMMANDS)) == (2, 0)


@pytest.mark.parametrize(
    "reply_to", [COMMANDS, "msaas:other:reply:gateway-one", f"msaas:{ENV}:reply:", "anything"]
)
async def test_an_answer_to_a_key_that_is_no_reply_stream_is_refused_and_nothing_is_written(
    broker: LimitedBroker, open_for: OpenPublisher, reply_to: str
) -> None:
    delivery = await send_command(broker, open_for, reply_to)
    with pytest.raises(TopicAccessDenied):
        await open_for("jobs").commit(
            [delivery.emit("jobs.generic", ENVELOPE), *delivery.reply_success()],
            CONSUMER,
            [delivery.entry_id],
        )
    assert await broker.length(get_topic("jobs.generic").key(ENV, "jobs-worker")) == 0
    assert await broker.length(COMMANDS) == 1


async def test_topics_that_the_registry_does_not_grant_are_refused(open_for: OpenPublisher) -> None:
    gateway = open_for("gateway")
    gateway.require_topics("jobs.commands", "audit.events")
    with pytest.raises(TopicAccessDenied):
        gateway.require_topics("jobs.commands", "jobs.generic")
    with pytest.raises(TopicAccessDenied):
        open_for("jobs").require_topics("replies")
    with pytest.raises(TopicAccessDenied):
        await gateway.publish("jobs.generic", ENVELOPE, correlation_id="c")
    with pytest.raises(TopicAccessDenied):
        await gateway.publish("jobs.commands", heartbeat(), correlation_id="c")
    with pytest.raises(TopicAccessDenied):
        gateway.get_stream_key("jobs.generic")


async def test_callers_beyond_the_backlog_limit_are_refused_with_retry_after(
    broker: LimitedBroker, open_for: OpenPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msaas.streams.publisher.MAX_BACKLOG", 3)
    publisher = open_for("gateway")
    sends = [publisher.send(outgoing(build_submit_job(), "jobs.commands")) for _ in range(5)]
    answers = await asyncio.gather(*sends, return_exceptions=True)
    assert [isinstance(answer, TopicFull) for answer in answers] == [False] * 3 + [True] * 2
    await publisher.close()
    assert await broker.length(COMMANDS) == 3
