"""How streams works, one idea each: publish, read, acknowledge, take over, answer."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from msaas.contracts import SubmitJob, decode, get_topic
from msaas.streams import (
    Delivery,
    RawEntry,
    RedisBroker,
    StreamConsumer,
    StreamPublisher,
    TopicAccessDenied,
    Write,
)
from msaas.testing import build_job_envelope, build_submit_job

COMMANDS = get_topic("jobs.commands")


@pytest_asyncio.fixture
async def broker(redis_url: str) -> AsyncIterator[RedisBroker]:
    broker = RedisBroker(redis_url)
    yield broker
    await broker.close()


@pytest.fixture
def gateway(broker: RedisBroker, environment: str) -> StreamPublisher:
    return StreamPublisher(broker, "gateway", environment)


@pytest_asyncio.fixture
async def jobs(broker: RedisBroker, environment: str) -> StreamConsumer:
    consumer = StreamConsumer(COMMANDS.key(environment, "jobs"), "jobs", "jobs-1")
    await broker.ensure_group(consumer)
    return consumer


async def read_one(broker: RedisBroker, consumer: StreamConsumer) -> Delivery:
    [raw] = await broker.read(consumer, 1, 0)
    return Delivery(raw, decode(COMMANDS, raw.fields))


async def test_a_published_message_is_read_by_its_consumer(
    broker: RedisBroker, gateway: StreamPublisher, jobs: StreamConsumer
) -> None:
    command = build_submit_job()
    entry_id = await gateway.publish("jobs.commands", command, correlation_id="request-1")
    delivery = await read_one(broker, jobs)
    assert (delivery.entry_id, delivery.message) == (entry_id, command)
    assert delivery.entry.correlation_id == "request-1"
    await broker.commit([], jobs, [delivery.entry_id])


async def test_an_entry_is_pending_until_it_is_acknowledged(
    broker: RedisBroker, gateway: StreamPublisher, jobs: StreamConsumer
) -> None:
    await gateway.publish("jobs.commands", build_submit_job(), correlation_id="c")
    delivery = await read_one(broker, jobs)
    assert (await broker.stats(jobs.key, jobs.group)).pending == 1
    await broker.commit([], jobs, [delivery.entry_id])
    assert (await broker.stats(jobs.key, jobs.group)).pending == 0
    assert await broker.depth(jobs.key) == 0


async def test_results_are_published_in_the_transaction_that_acknowledges(
    broker: RedisBroker, gateway: StreamPublisher, jobs: StreamConsumer, environment: str
) -> None:
    await gateway.publish("jobs.commands", build_submit_job(), correlation_id="c")
    delivery = await read_one(broker, jobs)
    assert isinstance(delivery.message, SubmitJob)
    envelope = build_job_envelope(job_id=delivery.message.job_id)
    outgoing = [delivery.emit("jobs.generic", envelope)]
    await StreamPublisher(broker, "jobs", environment).commit(outgoing, jobs, [delivery.entry_id])
    assert await broker.depth(get_topic("jobs.generic").key(environment, "jobs-worker")) == 1
    assert await broker.depth(jobs.key) == 0


async def test_another_consumer_reclaims_the_entry_of_a_dead_one(
    broker: RedisBroker, gateway: StreamPublisher, jobs: StreamConsumer
) -> None:
    await gateway.publish("jobs.commands", build_submit_job(), correlation_id="c")
    delivery = await read_one(broker, jobs)
    other = StreamConsumer(jobs.key, jobs.group, "jobs-2")
    assert await broker.reclaim(other, min_idle=60, count=10) == []  # the lease still runs
    await broker.release(jobs, [delivery.raw])
    [reclaimed] = await broker.reclaim(other, min_idle=60, count=10)
    assert reclaimed.entry_id == delivery.entry_id
    await broker.commit([], other, [reclaimed.entry_id])


async def test_the_registry_decides_which_topics_a_process_may_write(
    gateway: StreamPublisher,
) -> None:
    gateway.require_topics("jobs.commands")
    with pytest.raises(TopicAccessDenied):
        gateway.require_topics("jobs.results")
    with pytest.raises(TopicAccessDenied):
        await gateway.publish("jobs.generic", build_job_envelope(), correlation_id="c")


async def test_a_log_is_read_without_a_group_and_deletes_nothing(
    broker: RedisBroker, environment: str
) -> None:
    key = get_topic("jobs.events").key(environment)
    await broker.commit([Write(key, {b"number": b"%d" % number}) for number in range(3)])
    first = await broker.tail({key: "0-0"}, 2, 0)
    rest = await broker.tail({key: first[key][-1].entry_id}, 2, 0)
    assert [number(raw) for raw in (*first[key], *rest[key])] == [b"0", b"1", b"2"]
    assert await broker.depth(key) == 3


def number(raw: RawEntry) -> bytes:
    return raw.fields[b"number"]
