"""Postgres is away: reading stops, no delivery is counted, and work goes on when it is back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol
from uuid import UUID

import pytest
import pytest_asyncio

from msaas.contracts import get_topic
from msaas.local.servers import PostgresServer
from msaas.messaging import Delivery, Messenger, Outgoing, RedisWire
from msaas.postgres import Database
from msaas.testing import FaultProxy, wait_until

OpenMessenger = Callable[..., Messenger]
OpenWire = Callable[..., RedisWire]
Start = Callable[..., None]
Submit = Callable[..., Awaitable[set[UUID]]]
COUNT, DELIVERIES = 10, 2


class Record(Protocol):
    database: Database

    async def make(self) -> None: ...
    async def submit(self, batch: Sequence[Delivery]) -> list[Outgoing]: ...
    async def list_jobs(self) -> set[UUID]: ...


OpenRecord = Callable[[str], Awaitable[Record]]


class Counted:
    """Counts how often the record was tried."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self.tries = 0

    async def submit(self, batch: Sequence[Delivery]) -> list[Outgoing]:
        self.tries += 1
        return await self._record.submit(batch)


class Commands:
    """What Redis knows about the commands in hand."""

    def __init__(self, client: Any, environment: str) -> None:
        self._client = client
        topic = get_topic("jobs.commands")
        self._key, self._group = topic.key(environment), topic.group("jobs")
        self._graves = [topic.dead_letter_key(environment, "jobs")]
        self._graves.append(topic.poison_key(environment, "jobs"))

    async def list_deliveries(self) -> list[int]:
        rows = await self._client.xpending_range(self._key, self._group, "-", "+", 100)
        return [row["times_delivered"] for row in rows]

    async def count_unread(self) -> int:
        return await self._client.xlen(self._key) - len(await self.list_deliveries())

    async def is_empty(self) -> bool:
        return await self._client.xlen(self._key) == 0

    async def has_dead_letters(self) -> bool:
        return bool(await self._client.exists(*self._graves))


@pytest.fixture
def commands(open_client: Callable[..., Any], environment: str) -> Commands:
    return Commands(open_client(), environment)


@pytest_asyncio.fixture
async def proxy(database_url: str) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(database_url) as made:
        yield made


@pytest_asyncio.fixture
async def far_record(record: Record, open_record: OpenRecord, proxy: FaultProxy) -> Record:
    """Open the same record behind the proxy."""
    return await open_record(proxy.url)


async def has(record: Record, wanted: set[UUID]) -> bool:
    return await record.list_jobs() == wanted


async def tried_often(counted: Counted, since: int = 0) -> bool:
    return counted.tries - since > DELIVERIES + 1


async def test_postgres_down_at_the_start_and_again_in_the_middle_costs_no_delivery(
    private_postgres: Callable[..., PostgresServer],
    open_record: OpenRecord,
    open_messenger: OpenMessenger,
    submit: Submit,
    start: Start,
    commands: Commands,
    open_wire: OpenWire,
) -> None:
    # What it has committed must outlive its own end, not the machine's.
    server = private_postgres(config={"fsync": "off", "synchronous_commit": "on"})
    record = await open_record(server.url)
    await record.make()
    counted = Counted(record)
    jobs = open_messenger("jobs", "usage.events", deliveries=DELIVERIES)
    jobs.batch("jobs.commands", counted.submit, count=COUNT)
    wanted: set[UUID] = set()
    for end in (server.stop, server.kill):
        await asyncio.to_thread(end)
        tries = counted.tries
        wanted |= await submit(open_wire(), 3 * COUNT)
        if end == server.stop:
            start(jobs)
        await wait_until(lambda since=tries: tried_often(counted, since))
        assert await commands.list_deliveries() == [1] * COUNT
        assert await commands.count_unread() == 2 * COUNT
        await asyncio.to_thread(server.start)
        await wait_until(commands.is_empty)
        assert await record.list_jobs() == wanted
    assert not await commands.has_dead_letters()


async def test_peers_leave_alone_what_waits_for_postgres(
    far_record: Record,
    record: Record,
    proxy: FaultProxy,
    open_messenger: OpenMessenger,
    submit: Submit,
    start: Start,
    commands: Commands,
    open_wire: OpenWire,
) -> None:
    counted = Counted(far_record)
    away = open_messenger("jobs", "usage.events", deliveries=DELIVERIES, idle=0.3, beat=0.05)
    away.batch("jobs.commands", counted.submit, count=COUNT)
    await proxy.cut()
    first = await submit(open_wire(), COUNT)
    start(away)
    await wait_until(lambda: counted.tries)
    peer = open_messenger("jobs", "usage.events", deliveries=DELIVERIES, idle=0.3, beat=0.05)
    peer.batch("jobs.commands", record.submit, count=COUNT)
    start(peer)
    second = await submit(open_wire(), COUNT)
    await wait_until(lambda: has(record, second))
    await wait_until(lambda: tried_often(counted))
    assert await commands.list_deliveries() == [1] * COUNT
    await proxy.restore()
    assert await wait_until(lambda: has(record, first | second))
    assert await wait_until(commands.is_empty)


async def test_what_waits_for_postgres_is_handed_back_on_drain_at_no_cost(
    far_record: Record,
    record: Record,
    proxy: FaultProxy,
    open_messenger: OpenMessenger,
    submit: Submit,
    start: Start,
    commands: Commands,
    open_wire: OpenWire,
) -> None:
    await proxy.cut()
    counted = Counted(far_record)
    leaving = open_messenger("jobs", "usage.events")
    leaving.batch("jobs.commands", counted.submit, count=COUNT)
    wanted = await submit(open_wire(), COUNT)
    running = asyncio.create_task(leaving.run())
    await wait_until(lambda: counted.tries)
    leaving.drain()
    await running
    assert await commands.list_deliveries() == [0] * COUNT
    heir = open_messenger("jobs", "usage.events", idle=3600, deliveries=1)
    heir.batch("jobs.commands", record.submit, count=COUNT)
    start(heir)
    await wait_until(commands.is_empty)
    assert await record.list_jobs() == wanted
