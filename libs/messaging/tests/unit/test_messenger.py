"""A process on the broker: what an owner can look up and withdraw, and how its parts end."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from msaas.contracts import CancelRequested, SubmitJob, Topic, get_topic
from msaas.messaging import Delivery, Messenger, OutgoingMessage
from msaas.streams import StreamConsumer, TopicAccessDenied
from msaas.telemetry import Metrics
from msaas.testing import MemoryBroker, build_job_envelope, build_submit_job, wait_until

ENV = "test"
JOBS = get_topic("jobs.generic").key(ENV, "jobs-worker")
WORKER = StreamConsumer(JOBS, "jobs", "jobs-worker-one")

MakeMessenger = Callable[..., Messenger]


@pytest.fixture
def owner(broker: MemoryBroker, make_messenger: MakeMessenger) -> Messenger:
    return make_messenger(broker, "jobs")


async def put(owner: Messenger, count: int) -> list[str]:
    found = [
        await owner.publisher.publish("jobs.generic", build_job_envelope(), correlation_id="c")
        for _ in range(count)
    ]
    return [entry_id for entry_id in found if entry_id]


async def test_an_owner_finds_what_waits_and_what_runs_but_not_what_is_done(
    owner: Messenger, broker: MemoryBroker
) -> None:
    done, runs, waits = await put(owner, 3)
    await broker.ensure_group(WORKER)
    await broker.read(WORKER, 2, 0)
    await broker.commit([], WORKER, [done])
    found = await owner.find_entries("jobs.generic", [done, runs, waits, "1-1"])
    assert found == {runs, waits}
    assert await owner.find_entries("jobs.generic", []) == frozenset()


async def test_what_is_withdrawn_reaches_no_worker(owner: Messenger, broker: MemoryBroker) -> None:
    kept, withdrawn = await put(owner, 2)
    await owner.withdraw("jobs.generic", [withdrawn])
    await owner.withdraw("jobs.generic", [withdrawn, "1-1"])
    await owner.withdraw("jobs.generic", [])
    await broker.ensure_group(WORKER)
    assert [raw.entry_id for raw in await broker.read(WORKER, 10, 0)] == [kept]
    assert await owner.find_entries("jobs.generic", [kept, withdrawn]) == {kept}


async def test_work_withdrawn_while_it_ran_is_no_more_taken_over(
    owner: Messenger, broker: MemoryBroker
) -> None:
    [running] = await put(owner, 1)
    await broker.ensure_group(WORKER)
    await broker.read(WORKER, 1, 0)
    await owner.withdraw("jobs.generic", [running])
    assert await broker.reclaim(StreamConsumer(JOBS, "jobs", "peer"), 0, 10) == []


async def test_only_producers_of_a_topic_inspect_or_withdraw_its_entries(
    broker: MemoryBroker, make_messenger: MakeMessenger
) -> None:
    other = make_messenger(broker, "gateway")
    with pytest.raises(TopicAccessDenied):
        await other.find_entries("jobs.generic", ["1-1"])
    with pytest.raises(TopicAccessDenied):
        await other.withdraw("jobs.generic", ["1-1"])


async def test_a_whole_fleet_sends_commands_replies_follows_logs_and_ends_when_drained(
    broker: MemoryBroker, make_messenger: MakeMessenger, metrics: Metrics
) -> None:
    owner, gateway = (
        make_messenger(broker, "jobs"),
        make_messenger(broker, "gateway"),
    )
    worker, seen, epochs = make_messenger(broker, "jobs-worker"), list[object](), list[str]()

    async def handle(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        commands = [d.message for d in batch if isinstance(d.message, SubmitJob)]
        cancels = [CancelRequested(job_id=command.job_id) for command in commands]
        sent = [d.emit("jobs.control", c) for d, c in zip(batch, cancels, strict=True)]
        return [*sent, *(reply for d in batch for reply in d.reply_success(seen=True))]

    async def show(_topic: Topic, deliveries: Sequence[Delivery]) -> None:
        seen.extend(delivery.message for delivery in deliveries)

    async def resync() -> None:
        seen.append("resync")

    async def notice(epoch: str) -> None:
        epochs.append(epoch)

    owner.consume_batches("jobs.commands", handle)
    owner.on_epoch(notice)
    worker.tail_log(["jobs.control"], show, resync)
    client = gateway.create_command_client()
    fleet = [asyncio.create_task(messenger.run()) for messenger in (owner, worker, gateway)]
    await wait_until(lambda: len(epochs) == 1)
    command = build_submit_job()
    reply = await client.call("jobs.commands", command, ttl=3, correlation_id="c")
    assert reply.data == {"seen": True}
    await wait_until(lambda: len(seen) == 1)
    assert seen == [CancelRequested(job_id=command.job_id)]
    await asyncio.sleep(6)
    for messenger in (gateway, owner, worker):
        messenger.drain()
    await asyncio.gather(*fleet)
    origin = {"service": "test", "environment": ENV}
    labels = {"topic": "jobs.commands", "group": "jobs", **origin}
    assert metrics.registry.get_sample_value("msaas_topic_depth", labels) == 0


async def test_consumers_end_before_what_their_last_answers_need(
    broker: MemoryBroker, make_messenger: MakeMessenger
) -> None:
    gateway, owner = (
        make_messenger(broker, "gateway"),
        make_messenger(broker, "jobs"),
    )
    answered: list[bool] = []

    async def handle(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        owner.drain()
        await asyncio.sleep(5)
        answered.append(True)
        return []

    owner.consume_batches("jobs.commands", handle)
    await gateway.publisher.publish("jobs.commands", build_submit_job(), correlation_id="c")
    await owner.run()
    assert answered == [True]
    assert await broker.depth(get_topic("jobs.commands").key(ENV, "jobs")) == 0
