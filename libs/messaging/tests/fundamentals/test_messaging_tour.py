"""Messaging in seven stories, one idea each, on a real Redis."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
import pytest_asyncio

from msaas.contracts import (
    CancelRequested,
    JobEnvelope,
    JobLost,
    LossReason,
    SubmitJob,
    Topic,
    get_topic,
)
from msaas.kernel import ErrorKind, MsaasError
from msaas.messaging import (
    CommandRefused,
    ConsumerTimings,
    Delivery,
    Messenger,
    OutgoingMessage,
    RedisBroker,
)
from msaas.messaging.log_tailer import LogTailer
from msaas.streams import StreamConsumer, TopicFull, Write
from msaas.telemetry import Metrics
from msaas.testing import build_job_envelope, build_job_succeeded, build_submit_job, wait_until
from msaas.worker import AbandonReason, WorkConsumer

Build = Callable[..., Messenger]
QUICK = ConsumerTimings(
    block_timeout=0.05,
    reclaim_after=0.3,
    heartbeat_interval=0.1,
    epoch_interval=0.05,
    gauge_interval=0.05,
)


class NoSuchPlan(MsaasError):
    code = "validation_failed"
    kind = ErrorKind.UNPROCESSABLE
    default_message = "There is no such plan."


class RecordingHandler:
    """A worker: does the work, and reports work that it does not finish."""

    def __init__(self) -> None:
        self.begun: list[UUID] = []
        self.done: list[UUID] = []
        self.lost: list[tuple[UUID, AbandonReason]] = []
        self.may_end = asyncio.Event()

    async def run(self, delivery: Delivery) -> list[OutgoingMessage]:
        envelope = self._envelope(delivery)
        self.begun.append(envelope.job_id)
        await self.may_end.wait()
        self.done.append(envelope.job_id)
        return [delivery.emit("jobs.results", build_job_succeeded(envelope))]

    def on_abandoned(
        self, delivery: Delivery, reason: AbandonReason, error: Exception | None = None
    ) -> list[OutgoingMessage]:
        envelope = self._envelope(delivery)
        self.lost.append((envelope.job_id, reason))
        lost = JobLost(job_id=envelope.job_id, fence=envelope.fence, reason=LossReason(reason))
        return [delivery.emit("jobs.results", lost)]

    @staticmethod
    def _envelope(delivery: Delivery) -> JobEnvelope:
        assert isinstance(delivery.message, JobEnvelope)
        return delivery.message


@pytest_asyncio.fixture
async def broker(redis_url: str) -> AsyncIterator[RedisBroker]:
    made = RedisBroker(redis_url)
    yield made
    await made.close()


@pytest.fixture
def build(broker: RedisBroker, environment: str) -> Build:
    """Build the messenger of one process; a service does this once, in its bootstrap."""

    def build_(process: str) -> Messenger:
        metrics = Metrics(process, environment)
        return Messenger(broker, process, environment, metrics=metrics, timings=QUICK)

    return build_


@asynccontextmanager
async def running(*messengers: Messenger) -> AsyncGenerator[None]:
    async with asyncio.TaskGroup() as group:
        for messenger in messengers:
            group.create_task(messenger.run())
        yield
        for messenger in messengers:
            messenger.drain()


async def test_what_one_process_publishes_another_handles(build: Build) -> None:
    gateway, jobs = build("gateway"), build("jobs")
    handled: list[object] = []

    async def handle(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        handled.extend(delivery.message for delivery in batch)
        return []

    jobs.consume_batches("jobs.commands", handle)
    command = build_submit_job()
    await gateway.publisher.publish("jobs.commands", command, correlation_id="tour")
    async with running(jobs):
        await wait_until(lambda: handled)
    assert handled == [command]


async def test_a_command_is_answered_by_its_owner(build: Build) -> None:
    gateway, jobs = build("gateway"), build("jobs")

    async def handle(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        answers = [
            delivery.reply_error(NoSuchPlan())
            if delivery.entry.correlation_id == "bad"
            else delivery.reply_success(position=1)
            for delivery in batch
        ]
        return [message for answer in answers for message in answer]

    jobs.consume_batches("jobs.commands", handle)
    calls = gateway.create_command_client()
    async with running(gateway, jobs):
        reply = await calls.call("jobs.commands", build_submit_job(), ttl=5, correlation_id="good")
        assert reply.data == {"position": 1}
        with pytest.raises(CommandRefused, match="no such plan"):
            await calls.call("jobs.commands", build_submit_job(), ttl=5, correlation_id="bad")


async def test_delivered_twice_is_done_once_where_the_handler_has_a_natural_key(
    build: Build,
) -> None:
    gateway, jobs = build("gateway"), build("jobs")
    rows: dict[UUID, SubmitJob] = {}  # in place of a table with the job's id as its key
    delivered: list[str] = []

    async def handle(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        for delivery in batch:
            assert isinstance(delivery.message, SubmitJob)
            rows.setdefault(delivery.message.job_id, delivery.message)
            delivered.append(delivery.entry_id)
        return []

    jobs.consume_batches("jobs.commands", handle)
    command = build_submit_job()
    for _ in range(2):
        await gateway.publisher.publish("jobs.commands", command, correlation_id="tour")
    async with running(jobs):
        await wait_until(lambda: len(delivered) == 2)
    assert rows == {command.job_id: command}


async def test_work_of_a_worker_that_died_is_reported_and_not_run_again(
    build: Build, broker: RedisBroker, environment: str
) -> None:
    jobs, peer, runs = (
        build("jobs"),
        build("jobs-worker"),
        RecordingHandler(),
    )
    topic, envelope = get_topic("jobs.generic"), build_job_envelope()
    await jobs.publisher.publish("jobs.generic", envelope, correlation_id="tour")

    consumer = StreamConsumer(
        topic.key(environment), topic.group("jobs-worker"), "a-worker-that-dies"
    )
    await broker.ensure_group(consumer)
    await broker.read(consumer, 1, 0)  # it reads the entry and dies

    peer.add_consumer(WorkConsumer(peer.context, "jobs.generic", runs, concurrency=1))
    async with running(peer):
        await wait_until(lambda: runs.lost)
    assert (runs.done, runs.lost) == ([], [(envelope.job_id, AbandonReason.RECLAIMED)])


async def test_a_full_topic_refuses_commands(
    build: Build, broker: RedisBroker, environment: str
) -> None:
    topic = get_topic("jobs.commands")
    assert topic.bound is not None
    filler = Write(topic.key(environment), {b"fills": b"a place"})
    for _ in range(20):
        await broker.commit([filler] * (topic.bound // 20))
    publisher = build("gateway").publisher
    # The reply to a write contains the depth of the topic.
    await publisher.publish("jobs.commands", build_submit_job(), correlation_id="first")
    with pytest.raises(TopicFull):
        await publisher.publish("jobs.commands", build_submit_job(), correlation_id="tour")


async def test_every_reader_of_a_log_sees_every_entry(build: Build) -> None:
    jobs = build("jobs")
    workers = [build("jobs-worker"), build("browser-worker")]
    seen: dict[str, list[object]] = {worker.context.process: [] for worker in workers}
    tailers: list[LogTailer] = []
    for worker in workers:
        mine = seen[worker.context.process]

        async def note(_: Topic, batch: Sequence[Delivery], mine: list[object] = mine) -> None:
            mine.extend(delivery.message for delivery in batch)

        async def resync() -> None:
            """Read the database again where entries may have been missed."""

        tailers.append(worker.tail_log(["jobs.control"], note, resync))
    cancel = CancelRequested(job_id=build_submit_job().job_id)
    async with running(*workers):
        await wait_until(lambda: all(tailer.positions for tailer in tailers))
        await jobs.publisher.publish("jobs.control", cancel, correlation_id="tour")
        await wait_until(lambda: all(seen.values()))
    assert seen == {"jobs-worker": [cancel], "browser-worker": [cancel]}


async def test_a_drained_worker_ends_what_it_has_and_leaves_the_rest(
    build: Build, broker: RedisBroker, environment: str
) -> None:
    jobs, worker, runs = (
        build("jobs"),
        build("jobs-worker"),
        RecordingHandler(),
    )
    topic, envelopes = get_topic("jobs.generic"), [build_job_envelope() for _ in range(3)]
    for envelope in envelopes:
        await jobs.publisher.publish("jobs.generic", envelope, correlation_id="tour")
    worker.add_consumer(WorkConsumer(worker.context, "jobs.generic", runs, concurrency=1))
    async with running(worker):
        await wait_until(lambda: runs.begun)
        worker.drain()
        runs.may_end.set()
    stats = await broker.stats(topic.key(environment), topic.group("jobs-worker"))
    assert runs.done == [envelopes[0].job_id]
    assert (stats.depth, stats.pending) == (2, 0)
