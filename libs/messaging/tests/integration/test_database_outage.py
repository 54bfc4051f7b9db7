"""Postgres is unavailable: reading stops, no delivery is counted, and work continues afterwards."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol
from uuid import UUID

import pytest
import pytest_asyncio

from msaas.contracts import get_topic
from msaas.embedded import PostgresServer
from msaas.messaging import Delivery, Messenger, OutgoingMessage, RedisBroker
from msaas.postgres import Database
from msaas.testing import FaultProxy, wait_until

OpenMessenger = Callable[..., Messenger]
OpenBroker = Callable[..., RedisBroker]
Start = Callable[..., None]
Submit = Callable[..., Awaitable[set[UUID]]]
COUNT, DELIVERIES = 10, 2


class JobDatabase(Protocol):
    database: Database

    async def create_schema(self) -> None: ...
    async def submit(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]: ...
    async def list_jobs(self) -> set[UUID]: ...


OpenJobDatabase = Callable[[str], Awaitable[JobDatabase]]


class CountingHandler:
    """Counts the attempts to use the database."""

    def __init__(self, job_database: JobDatabase) -> None:
        self._job_database = job_database
        self.tries = 0

    async def submit(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        self.tries += 1
        return await self._job_database.submit(batch)


class Commands:
    """Read the pending commands from Redis."""

    def __init__(self, client: Any, environment: str) -> None:
        self._client = client
        topic = get_topic("jobs.commands")
        self._key, self._group = topic.key(environment), topic.group("jobs")
        self._dead_letter_keys = [topic.dead_letter_key(environment, "jobs")]
        self._dead_letter_keys.append(topic.poison_key(environment, "jobs"))

    async def list_deliveries(self) -> list[int]:
        rows = await self._client.xpending_range(self._key, self._group, "-", "+", 100)
        return [row["times_delivered"] for row in rows]

    async def count_unread(self) -> int:
        return await self._client.xlen(self._key) - len(await self.list_deliveries())

    async def is_empty(self) -> bool:
        return await self._client.xlen(self._key) == 0

    async def has_dead_letters(self) -> bool:
        return bool(await self._client.exists(*self._dead_letter_keys))


@pytest.fixture
def commands(open_client: Callable[..., Any], environment: str) -> Commands:
    return Commands(open_client(), environment)


@pytest_asyncio.fixture
async def proxy(database_url: str) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(database_url) as made:
        yield made


@pytest_asyncio.fixture
async def proxied_job_database(
    job_database: JobDatabase, open_job_database: OpenJobDatabase, proxy: FaultProxy
) -> JobDatabase:
    """Open the same database through the proxy."""
    return await open_job_database(proxy.url)


async def has_jobs(job_database: JobDatabase, expected: set[UUID]) -> bool:
    return await job_database.list_jobs() == expected


async def tried_often(counted: CountingHandler, since: int = 0) -> bool:
    return counted.tries - since > DELIVERIES + 1


async def test_postgres_down_at_the_start_and_again_in_the_middle_costs_no_delivery(
    private_postgres: Callable[..., PostgresServer],
    open_job_database: OpenJobDatabase,
    open_messenger: OpenMessenger,
    submit: Submit,
    start: Start,
    commands: Commands,
    open_broker: OpenBroker,
) -> None:
    # Commits must survive the end of the server process, but not of the machine.
    server = private_postgres(config={"fsync": "off", "synchronous_commit": "on"})
    job_database = await open_job_database(server.url)
    await job_database.create_schema()
    counted = CountingHandler(job_database)
    jobs = open_messenger("jobs", max_deliveries=DELIVERIES)
    jobs.consume_batches("jobs.commands", counted.submit, max_size=COUNT)
    expected: set[UUID] = set()
    for end in (server.stop, server.kill):
        await asyncio.to_thread(end)
        tries = counted.tries
        expected |= await submit(open_broker(), 3 * COUNT)
        if end == server.stop:
            start(jobs)
        await wait_until(lambda since=tries: tried_often(counted, since))
        assert await commands.list_deliveries() == [1] * COUNT
        assert await commands.count_unread() == 2 * COUNT
        await asyncio.to_thread(server.start)
        await wait_until(commands.is_empty)
        assert await job_database.list_jobs() == expected
    assert not await commands.has_dead_letters()


async def test_peers_do_not_claim_entries_that_wait_for_postgres(
    proxied_job_database: JobDatabase,
    job_database: JobDatabase,
    proxy: FaultProxy,
    open_messenger: OpenMessenger,
    submit: Submit,
    start: Start,
    commands: Commands,
    open_broker: OpenBroker,
) -> None:
    counted = CountingHandler(proxied_job_database)
    disconnected = open_messenger(
        "jobs", max_deliveries=DELIVERIES, reclaim_after=0.3, heartbeat_interval=0.05
    )
    disconnected.consume_batches("jobs.commands", counted.submit, max_size=COUNT)
    await proxy.cut()
    first = await submit(open_broker(), COUNT)
    start(disconnected)
    await wait_until(lambda: counted.tries)
    peer = open_messenger(
        "jobs", max_deliveries=DELIVERIES, reclaim_after=0.3, heartbeat_interval=0.05
    )
    peer.consume_batches("jobs.commands", job_database.submit, max_size=COUNT)
    start(peer)
    second = await submit(open_broker(), COUNT)
    await wait_until(lambda: has_jobs(job_database, second))
    await wait_until(lambda: tried_often(counted))
    assert await commands.list_deliveries() == [1] * COUNT
    await proxy.restore()
    assert await wait_until(lambda: has_jobs(job_database, first | second))
    assert await wait_until(commands.is_empty)


async def test_what_waits_for_postgres_is_released_on_drain_at_no_cost(
    proxied_job_database: JobDatabase,
    job_database: JobDatabase,
    proxy: FaultProxy,
    open_messenger: OpenMessenger,
    submit: Submit,
    start: Start,
    commands: Commands,
    open_broker: OpenBroker,
) -> None:
    await proxy.cut()
    counted = CountingHandler(proxied_job_database)
    leaving = open_messenger("jobs")
    leaving.consume_batches("jobs.commands", counted.submit, max_size=COUNT)
    expected = await submit(open_broker(), COUNT)
    running = asyncio.create_task(leaving.run())
    await wait_until(lambda: counted.tries)
    leaving.drain()
    await running
    assert await commands.list_deliveries() == [0] * COUNT
    heir = open_messenger("jobs", reclaim_after=3600, max_deliveries=1)
    heir.consume_batches("jobs.commands", job_database.submit, max_size=COUNT)
    start(heir)
    await wait_until(commands.is_empty)
    assert await job_database.list_jobs() == expected
