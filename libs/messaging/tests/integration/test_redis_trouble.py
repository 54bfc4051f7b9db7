"""Redis is slow, silent, cut off or swallows answers: every wait ends, and work goes on after."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol
from uuid import UUID

import pytest
import pytest_asyncio

from msaas.contracts import get_topic
from msaas.kernel import CommandTimeout
from msaas.messaging import Delivery, Messenger, Outgoing, RedisWire, WireUnavailable
from msaas.testing import FaultProxy, build_submit_job, wait_until

OpenMessenger = Callable[..., Messenger]
OpenWire = Callable[..., RedisWire]
ReadStream = Callable[..., Awaitable[list[Any]]]
Start = Callable[..., None]
Submit = Callable[..., Awaitable[set[UUID]]]
# Far beyond every timeout: whoever is still waiting then hangs.
FOR_EVER = 15.0


class Record(Protocol):
    async def submit(self, batch: Sequence[Delivery]) -> list[Outgoing]: ...
    async def list_jobs(self) -> set[UUID]: ...


@pytest_asyncio.fixture
async def proxy(redis_url: str) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(redis_url) as made:
        yield made


@pytest.fixture
def jobs(open_messenger: OpenMessenger, record: Record, proxy: FaultProxy) -> Messenger:
    """Consume commands through the proxy."""
    messenger = open_messenger("jobs", "usage.events", url=proxy.url)
    messenger.batch("jobs.commands", record.submit, count=10)
    return messenger


async def has(record: Record, wanted: set[UUID]) -> bool:
    return await record.list_jobs() == wanted


async def is_idle(jobs: Messenger, wire: RedisWire, depth: int = 0) -> bool:
    topic = get_topic("jobs.commands")
    stats = await wire.stats(topic.key(jobs.station.environment), topic.group("jobs"))
    return (stats.depth, stats.pending) == (depth, 0)


async def test_a_slow_redis_makes_slow_work(
    jobs: Messenger,
    record: Record,
    proxy: FaultProxy,
    submit: Submit,
    start: Start,
    open_wire: OpenWire,
) -> None:
    proxy.delay(0.05)
    start(jobs)
    wanted = await submit(open_wire(), 30)
    await wait_until(lambda: has(record, wanted))
    assert await wait_until(lambda: is_idle(jobs, open_wire()))


@pytest.mark.parametrize("fault", ["cut", "blackhole"])
async def test_reading_goes_on_when_redis_is_back(
    fault: str,
    jobs: Messenger,
    record: Record,
    proxy: FaultProxy,
    submit: Submit,
    start: Start,
    open_wire: OpenWire,
) -> None:
    start(jobs)
    wire = open_wire()
    before = await submit(wire, 10)
    await wait_until(lambda: has(record, before))
    if fault == "cut":
        await proxy.cut()
    else:
        proxy.blackhole()
    while_away = await submit(wire, 10)
    with pytest.raises(WireUnavailable):
        await wait_until(jobs.station.wire.now_ms, timeout=FOR_EVER)
    assert await record.list_jobs() == before
    await proxy.restore()
    assert await wait_until(lambda: has(record, before | while_away))
    assert await wait_until(lambda: is_idle(jobs, wire))


@pytest.mark.leaves("pending")  # what could not be handed back waits for whoever comes next
@pytest.mark.parametrize("fault", ["cut", "blackhole"])
async def test_a_process_drains_though_redis_is_away(
    fault: str,
    jobs: Messenger,
    proxy: FaultProxy,
    record: Record,
    submit: Submit,
    open_wire: OpenWire,
) -> None:
    running = asyncio.create_task(jobs.run())
    wanted = await submit(open_wire(), 10)
    await wait_until(lambda: has(record, wanted))
    if fault == "cut":
        await proxy.cut()
    else:
        proxy.blackhole()
    jobs.drain()
    done, _ = await asyncio.wait({running}, timeout=FOR_EVER)
    assert done


async def test_a_connection_that_can_only_be_opened_is_no_trap(
    proxy: FaultProxy, open_wire: OpenWire
) -> None:
    proxy.blackhole()
    async with asyncio.timeout(FOR_EVER):
        with pytest.raises(WireUnavailable):
            await open_wire(proxy.url).now_ms()


async def test_a_commit_whose_answer_was_lost_is_repeated_and_doubles_no_effect(
    open_messenger: OpenMessenger,
    record: Record,
    proxy: FaultProxy,
    submit: Submit,
    start: Start,
    open_wire: OpenWire,
    read_stream: ReadStream,
) -> None:
    wire = open_wire()

    async def commit_without_an_answer(batch: Sequence[Delivery]) -> list[Outgoing]:
        outgoing = await record.submit(batch)
        if not lost:
            lost.append(len(batch))
            # The commit finds an open connection: the greeting of a new one would be lost too.
            await asyncio.gather(*(jobs.station.wire.now_ms() for _ in range(8)))
            proxy.drop_replies()
        return outgoing

    async def published(at_least: int) -> bool:
        return len(await read_stream("usage.events")) >= at_least

    lost: list[int] = []
    jobs = open_messenger("jobs", "usage.events", url=proxy.url)
    jobs.batch("jobs.commands", commit_without_an_answer)
    wanted = await submit(wire, 10)
    start(jobs)
    await wait_until(lambda: published(10))
    await proxy.restore()
    await wait_until(lambda: published(20))
    assert await record.list_jobs() == wanted
    assert {fact.job_id for fact in await read_stream("usage.events")} == wanted
    assert await wait_until(lambda: is_idle(jobs, wire))


async def test_a_call_ends_in_time_when_the_answer_cannot_reach_us(
    open_messenger: OpenMessenger, proxy: FaultProxy, start: Start
) -> None:
    gateway = open_messenger("gateway", "jobs.commands", url=proxy.url)
    client = gateway.commands()
    start(gateway)
    await client.step()  # its connections are made by now
    call = client.call("jobs.commands", build_submit_job(), ttl=0.6, correlation_id="test")
    waiting = asyncio.create_task(call)
    proxy.drop_replies()
    async with asyncio.timeout(FOR_EVER):
        with pytest.raises((CommandTimeout, WireUnavailable)):
            await waiting
    await proxy.restore()


async def test_a_command_that_nobody_answers_times_out_and_is_never_run(
    open_messenger: OpenMessenger,
    jobs: Messenger,
    record: Record,
    proxy: FaultProxy,
    submit: Submit,
    start: Start,
    open_wire: OpenWire,
) -> None:
    gateway = open_messenger("gateway", "jobs.commands")
    client = gateway.commands()
    await proxy.cut()
    start(gateway, jobs)
    with pytest.raises(CommandTimeout):
        await client.call("jobs.commands", build_submit_job(), ttl=0.3, correlation_id="test")
    await proxy.restore()
    late = await submit(open_wire(), 1)
    await wait_until(lambda: has(record, late))
    assert await wait_until(lambda: is_idle(jobs, open_wire()))
