"""Redis is out of memory, or a topic is full: producers are refused, consumers continue."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol
from uuid import UUID, uuid4

import pytest

from msaas.contracts import JobHeartbeat, Message, get_topic
from msaas.embedded import RedisServer
from msaas.kernel import CommandTimeout, ErrorKind
from msaas.messaging import Delivery, Messenger, OutgoingMessage, RedisBroker
from msaas.streams import BrokerFull, TopicFull
from msaas.testing import (
    build_job_envelope,
    build_job_succeeded,
    build_submit_job,
    build_usage_recorded,
    wait_until,
)

OpenClient = Callable[..., Any]
OpenMessenger = Callable[..., Messenger]
OpenBroker = Callable[..., RedisBroker]
Start = Callable[..., None]
Submit = Callable[..., Awaitable[set[UUID]]]


class JobDatabase(Protocol):
    async def submit(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]: ...
    async def list_jobs(self) -> set[UUID]: ...


async def is_empty(jobs: Messenger) -> bool:
    key = get_topic("jobs.commands").key(jobs.context.environment)
    return await jobs.context.broker.depth(key) == 0


async def has_jobs(job_database: JobDatabase, expected: set[UUID]) -> bool:
    return await job_database.list_jobs() == expected


class FullRedis:
    """Start a separate Redis whose memory the test fills."""

    def __init__(self, server: RedisServer, open_client: Callable[..., Any]) -> None:
        self.url = server.url
        self._client = open_client(server.url)

    async def limit(self, spare_bytes: int) -> None:
        used = (await self._client.info("memory"))["used_memory"]
        await self._client.config_set("maxmemory", used + spare_bytes)


@pytest.fixture
def full_redis(
    private_redis: Callable[..., RedisServer], open_client: Callable[..., Any]
) -> FullRedis:
    return FullRedis(private_redis(aof=False), open_client)


async def test_a_full_redis_refuses_producers_while_consumers_empty_it(
    full_redis: FullRedis, open_messenger: OpenMessenger, job_database: JobDatabase, start: Start
) -> None:
    gateway = open_messenger("gateway", url=full_redis.url)
    jobs = open_messenger("jobs", url=full_redis.url)
    emptying = asyncio.Event()
    waiting: list[int] = []
    sent: set[UUID] = set()

    async def submit_when_let(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        waiting.append(len(batch))
        await emptying.wait()
        return await job_database.submit(batch)

    async def publish() -> bool:
        command = build_submit_job(payload={"text": "x" * 10_000})
        try:
            await gateway.publisher.publish("jobs.commands", command, correlation_id="test")
        except BrokerFull:
            return False
        sent.add(command.job_id)
        return True

    async def refused() -> bool:
        return not await publish()

    jobs.consume_batches("jobs.commands", submit_when_let, max_size=20)
    start(jobs)
    await publish()
    await wait_until(lambda: waiting)  # this creates the group
    await full_redis.limit(1_000_000)
    await wait_until(refused)
    emptying.set()
    await wait_until(lambda: has_jobs(job_database, sent))
    await wait_until(lambda: is_empty(jobs))
    await wait_until(publish)
    assert await wait_until(lambda: has_jobs(job_database, sent))


async def test_the_error_of_a_full_redis_is_retryable(
    full_redis: FullRedis, open_broker: OpenBroker, submit: Submit
) -> None:
    await full_redis.limit(-1000)
    with pytest.raises(BrokerFull) as refusal:
        await submit(open_broker(full_redis.url), 1)
    assert (refusal.value.code, refusal.value.kind, refusal.value.retryable) == (
        "overloaded",
        ErrorKind.UNAVAILABLE,
        True,
    )


async def test_a_full_redis_drops_what_its_owner_can_publish_again(
    full_redis: FullRedis, open_messenger: OpenMessenger
) -> None:
    jobs = open_messenger("jobs", url=full_redis.url)
    await full_redis.limit(-1000)
    fact = build_usage_recorded(job_id=uuid4())
    assert await jobs.publisher.publish("usage.events", fact, correlation_id="test") is None


class Filler:
    """Fills topics with unreadable entries."""

    def __init__(self, client: Any, environment: str) -> None:
        self._client = client
        self._environment = environment

    def key(self, name: str) -> str:
        topic = get_topic(name)
        return topic.key(self._environment, topic.consumers[0])

    async def fill(self, name: str, *, free: int = 0) -> None:
        count = (get_topic(name).bound or 0) - free
        script = "for _ = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'a', 'b') end"
        await self._client.eval(script, 1, self.key(name), count)

    async def empty(self, name: str) -> None:
        await self._client.delete(self.key(name))

    async def depth(self, name: str) -> int:
        return await self._client.xlen(self.key(name))


@pytest.fixture
def filler(open_client: OpenClient, environment: str) -> Filler:
    return Filler(open_client(), environment)


async def test_a_full_topic_refuses_commands_until_there_is_capacity(
    filler: Filler, open_messenger: OpenMessenger
) -> None:
    publisher = open_messenger("gateway").publisher

    async def publish() -> str | None:
        try:
            return await publisher.publish(
                "jobs.commands", build_submit_job(), correlation_id="test"
            )
        except TopicFull:
            return None

    await filler.fill("jobs.commands")
    await publish()  # a producer learns the depth of a topic from its own first write
    with pytest.raises(TopicFull) as refusal:
        await publisher.publish("jobs.commands", build_submit_job(), correlation_id="test")
    assert refusal.value.code == "overloaded"
    assert refusal.value.context == {"topic": "jobs.commands", "retry_after": 1}
    await filler.empty("jobs.commands")
    assert await wait_until(publish)


@pytest.mark.parametrize(
    ("producer", "name", "message", "is_kept"),
    [
        ("jobs", "jobs.generic", build_job_envelope(), False),
        ("jobs", "usage.events", build_usage_recorded(), False),
        ("jobs-worker", "jobs.results", JobHeartbeat(job_id=uuid4(), fence=uuid4()), False),
        ("jobs-worker", "jobs.results", build_job_succeeded(build_job_envelope()), True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Message) else "",
)
async def test_a_full_topic_drops_facts_and_heartbeats_but_never_of_results(
    producer: str,
    name: str,
    message: Message,
    is_kept: bool,  # noqa: FBT001  # a column of the table
    filler: Filler,
    open_messenger: OpenMessenger,
) -> None:
    publisher = open_messenger(producer).publisher
    await filler.fill(name)
    await publisher.publish(name, message, correlation_id="test")
    before = await filler.depth(name)
    entry_id = await publisher.publish(name, message, correlation_id="test")
    assert (entry_id is not None, await filler.depth(name) - before) == (is_kept, int(is_kept))


async def test_a_command_that_used_the_last_capacity_is_waited_for_until_its_timeout(
    filler: Filler, open_messenger: OpenMessenger, start: Start
) -> None:
    gateway = open_messenger("gateway")
    client = gateway.create_command_client()
    start(gateway)
    await filler.fill("jobs.commands", free=1)
    with pytest.raises(CommandTimeout):
        await client.call("jobs.commands", build_submit_job(), ttl=0.3, correlation_id="test")
