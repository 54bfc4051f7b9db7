"""Redis is slow, silent, unreachable or loses replies: every wait ends, and work continues."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol
from uuid import UUID

import pytest
import pytest_asyncio

from msaas.contracts import get_topic
from msaas.kernel import CommandTimeout
from msaas.messaging import BrokerUnavailable, Delivery, Messenger, OutgoingMessage, RedisBroker
from msaas.testing import FaultProxy, build_submit_job, wait_until

OpenMessenger = Callable[..., Messenger]
OpenBroker = Callable[..., RedisBroker]
ReadStream = Callable[..., Awaitable[list[Any]]]
Start = Callable[..., None]
Submit = Callable[..., Awaitable[set[UUID]]]
# Far above every timeout: a call that still waits hangs.
NO_TIMEOUT = 15.0


class JobDatabase(Protocol):
    async def submit(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]: ...
    async def list_jobs(self) -> set[UUID]: ...


@pytest_asyncio.fixture
async def proxy(redis_url: str) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(redis_url) as made:
        yield made


@pytest.fixture
def jobs(open_messenger: OpenMessenger, job_database: JobDatabase, proxy: FaultProxy) -> Messenger:
    """Consume commands through the proxy."""
    messenger = open_messenger("jobs", url=proxy.url)
    messenger.consume_batches("jobs.commands", job_database.submit, max_size=10)
    return messenger


async def has_jobs(job_database: JobDatabase, expected: set[UUID]) -> bool:
    return await job_database.list_jobs() == expected


async def is_idle(jobs: Messenger, broker: RedisBroker, depth: int = 0) -> bool:
    topic = get_topic("jobs.commands")
    stats = await broker.stats(topic.key(jobs.context.environment), topic.group("jobs"))
    return (stats.depth, stats.pending) == (depth, 0)


async def test_a_slow_redis_makes_slow_work(
    jobs: Messenger,
    job_database: JobDatabase,
    proxy: FaultProxy,
    submit: Submit,
    start: Start,
    open_broker: OpenBroker,
) -> None:
    proxy.delay(0.05)
    start(jobs)
    expected = await submit(open_broker(), 30)
    await wait_until(lambda: has_jobs(job_database, expected))
    assert await wait_until(lambda: is_idle(jobs, open_broker()))


@pytest.mark.parametrize("fault", ["cut", "blackhole"])
async def test_reading_goes_on_when_redis_is_back(
    fault: str,
    jobs: Messenger,
    job_database: JobDatabase,
    proxy: FaultProxy,
    submit: Submit,
    start: Start,
    open_broker: OpenBroker,
) -> None:
    start(jobs)
    broker = open_broker()
    before = await submit(broker, 10)
    await wait_until(lambda: has_jobs(job_database, before))
    if fault == "cut":
        await proxy.cut()
    else:
        proxy.blackhole()
    during_outage = await submit(broker, 10)
    with pytest.raises(BrokerUnavailable):
        await wait_until(jobs.context.broker.now_ms, timeout=NO_TIMEOUT)
    assert await job_database.list_jobs() == before
    await proxy.restore()
    assert await wait_until(lambda: has_jobs(job_database, before | during_outage))
    assert await wait_until(lambda: is_idle(jobs, broker))


@pytest.mark.leaves("pending")  # entries that could not be released wait for the next consumer
@pytest.mark.parametrize("fault", ["cut", "blackhole"])
async def test_a_process_drains_without_redis(
    fault: str,
    jobs: Messenger,
    proxy: FaultProxy,
    job_database: JobDatabase,
    submit: Submit,
    open_broker: OpenBroker,
) -> None:
    running = asyncio.create_task(jobs.run())
    expected = await submit(open_broker(), 10)
    await wait_until(lambda: has_jobs(job_database, expected))
    if fault == "cut":
        await proxy.cut()
    else:
        proxy.blackhole()
    jobs.drain()
    done, _ = await asyncio.wait({running}, timeout=NO_TIMEOUT)
    assert done


async def test_a_connection_that_can_only_be_opened_is_no_trap(
    proxy: FaultProxy, open_broker: OpenBroker
) -> None:
    proxy.blackhole()
    async with asyncio.timeout(NO_TIMEOUT):
        with pytest.raises(BrokerUnavailable):
            await open_broker(proxy.url).now_ms()


async def test_a_commit_whose_answer_was_lost_is_repeated_and_doubles_no_effect(
    open_messenger: OpenMessenger,
    job_database: JobDatabase,
    proxy: FaultProxy,
    submit: Submit,
    start: Start,
    open_broker: OpenBroker,
    read_stream: ReadStream,
) -> None:
    broker = open_broker()

    async def commit_without_an_answer(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        outgoing = await job_database.submit(batch)
        if not lost:
            lost.append(len(batch))
            # The commit uses an open connection, since the greeting of a new one would be lost too.
            await asyncio.gather(*(jobs.context.broker.now_ms() for _ in range(8)))
            proxy.drop_replies()
        return outgoing

    async def published(at_least: int) -> bool:
        return len(await read_stream("usage.events")) >= at_least

    lost: list[int] = []
    jobs = open_messenger("jobs", url=proxy.url)
    jobs.consume_batches("jobs.commands", commit_without_an_answer)
    expected = await submit(broker, 10)
    start(jobs)
    await wait_until(lambda: published(10))
    await proxy.restore()
    await wait_until(lambda: published(20))
    assert await job_database.list_jobs() == expected
    assert {fact.job_id for fact in await read_stream("usage.events")} == expected
    assert await wait_until(lambda: is_idle(jobs, broker))


async def test_a_call_ends_in_time_when_the_reply_is_lost(
    open_messenger: OpenMessenger, proxy: FaultProxy, start: Start
) -> None:
    gateway = open_messenger("gateway", url=proxy.url)
    client = gateway.create_command_client()
    start(gateway)
    await client.step()  # its connections are open by now
    call = client.call("jobs.commands", build_submit_job(), ttl=0.6, correlation_id="test")
    waiting = asyncio.create_task(call)
    proxy.drop_replies()
    async with asyncio.timeout(NO_TIMEOUT):
        with pytest.raises((CommandTimeout, BrokerUnavailable)):
            await waiting
    await proxy.restore()


async def test_an_unanswered_command_times_out_and_is_never_run(
    open_messenger: OpenMessenger,
    jobs: Messenger,
    job_database: JobDatabase,
    proxy: FaultProxy,
    submit: Submit,
    start: Start,
    open_broker: OpenBroker,
) -> None:
    gateway = open_messenger("gateway")
    client = gateway.create_command_client()
    await proxy.cut()
    start(gateway, jobs)
    with pytest.raises(CommandTimeout):
        await client.call("jobs.commands", build_submit_job(), ttl=0.3, correlation_id="test")
    await proxy.restore()
    late = await submit(open_broker(), 1)
    await wait_until(lambda: has_jobs(job_database, late))
    assert await wait_until(lambda: is_idle(jobs, open_broker()))
