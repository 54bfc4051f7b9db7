"""A row names the entry of its envelope before the entry exists, wherever a dispatcher ends."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Literal, Protocol
from uuid import UUID

import asyncpg
import pytest
from services.jobs.tests.support import AddUser, BuildJob, OpenBroker, ReadTopic, RunCommands

from msaas.contracts import get_topic
from msaas.jobs.adapters.postgres.dispatch import PostgresDispatch
from msaas.jobs.adapters.worker_queue import BrokerWorkerQueue
from msaas.jobs.application.dispatch_jobs import DispatchJobs
from msaas.jobs.application.sweep_leases import SweepLeasesTask
from msaas.jobs.bootstrap import read_keys
from msaas.jobs.settings import LOCAL_SEALING_KEY
from msaas.messaging import BrokerUnavailable, Messenger
from msaas.postgres import Database
from msaas.streams import CommitResult, RedisBroker, StreamConsumer, Write
from msaas.telemetry import Metrics
from msaas.testing import Crash, with_crash

OVERDUE = "UPDATE jobs.jobs SET dispatched_at = now() - interval '11 seconds'"
LATER = 60_000
"""Milliseconds by which another process, or a clock that was set back, is ahead."""


class MakeDispatch(Protocol):
    def __call__(
        self,
        *,
        wrap_broker: Callable[[RedisBroker], RedisBroker] = ...,
        wrap_store: Callable[[PostgresDispatch], PostgresDispatch] = ...,
    ) -> DispatchJobs: ...


class LostReplyBroker:
    """Redis carries the next commit out, and its answer never arrives."""

    def __init__(self, broker: RedisBroker) -> None:
        self._broker = broker
        self._loses_reply = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    async def commit(
        self,
        writes: Sequence[Write],
        consumer: StreamConsumer | None = None,
        acked_ids: Sequence[str] = (),
    ) -> CommitResult:
        result = await self._broker.commit(writes, consumer, acked_ids)
        if self._loses_reply:
            self._loses_reply = False
            raise BrokerUnavailable(target="redis")
        return result


class HeldStore:
    """Keeps a tick between the commit of its pick and the sending of its envelopes."""

    def __init__(self, store: PostgresDispatch) -> None:
        self._store = store
        self.has_picked = asyncio.Event()
        self.may_send = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def pick(self, now_ms: int) -> Any:
        tick = await self._store.pick(now_ms)
        self.has_picked.set()
        await self.may_send.wait()
        return tick


@pytest.fixture
def make_dispatch(database: Database, environment: str, open_broker: OpenBroker) -> MakeDispatch:
    def make(
        *,
        wrap_broker: Callable[[RedisBroker], RedisBroker] = lambda broker: broker,
        wrap_store: Callable[[PostgresDispatch], PostgresDispatch] = lambda store: store,
    ) -> DispatchJobs:
        metrics = Metrics("jobs", "test")
        messenger = Messenger(wrap_broker(open_broker()), "jobs", environment, metrics=metrics)
        store = wrap_store(PostgresDispatch(database, window=200))
        opener = read_keys(LOCAL_SEALING_KEY)
        return DispatchJobs(store, BrokerWorkerQueue(messenger), opener, metrics)

    return make


@pytest.fixture
def read_entries(environment: str, open_broker: OpenBroker) -> Callable[[], Awaitable[list[str]]]:
    broker = open_broker()

    async def read() -> list[str]:
        [key] = get_topic("jobs.generic").keys(environment)
        found = await broker.tail({key: "0-0"}, 1_000, 0)
        return [raw.entry_id for raw in found.get(key, ())]

    return read


@pytest.fixture
def let_another_be_ahead(
    environment: str, open_broker: OpenBroker
) -> Callable[[], Awaitable[None]]:
    """Add an entry with a later id and take it off: the stream keeps the id."""
    broker = open_broker()

    async def add() -> None:
        [key] = get_topic("jobs.generic").keys(environment)
        entry_id = f"{await broker.now_ms() + LATER}-7"
        await broker.commit([Write(key, {b"a": b"b"}, entry_id=entry_id)])
        await broker.delete(key, [entry_id])

    return add


async def list_rows(rows: asyncpg.Connection) -> dict[UUID, str | None]:
    found = await rows.fetch("SELECT id, entry_id FROM jobs.jobs ORDER BY id")
    return {row["id"]: row["entry_id"] for row in found}


async def test_every_entry_is_on_its_row_and_in_the_order_of_the_pick(
    make_dispatch: MakeDispatch,
    run_commands: RunCommands,
    submit_job: BuildJob,
    add_user: AddUser,
    rows: asyncpg.Connection,
    read_entries: Callable[[], Awaitable[list[str]]],
) -> None:
    users = [await add_user() for _ in range(10)]
    await run_commands(*(submit_job(user) for user in users * 2))
    await make_dispatch()()
    entries = await read_entries()
    assert len(entries) == 20
    assert set((await list_rows(rows)).values()) == set(entries)


async def test_an_entry_whose_reply_was_lost_is_not_taken_for_lost(
    make_dispatch: MakeDispatch,
    run_commands: RunCommands,
    submit_job: BuildJob,
    user: UUID,
    rows: asyncpg.Connection,
    sweep: SweepLeasesTask,
    read_topic: ReadTopic,
    read_entries: Callable[[], Awaitable[list[str]]],
) -> None:
    await run_commands(submit_job(user))
    broken: Any = LostReplyBroker
    with pytest.raises(BrokerUnavailable):
        await make_dispatch(wrap_broker=broken)()
    await rows.execute(OVERDUE)
    await sweep()
    assert await read_topic("jobs.results") == []
    await make_dispatch()()
    assert list((await list_rows(rows)).values()) == await read_entries()


async def test_a_publisher_that_comes_after_its_successor_takes_later_ids(
    make_dispatch: MakeDispatch,
    run_commands: RunCommands,
    submit_job: BuildJob,
    add_user: AddUser,
    rows: asyncpg.Connection,
    read_topic: ReadTopic,
    read_entries: Callable[[], Awaitable[list[str]]],
) -> None:
    held: list[HeldStore] = []

    def hold(store: PostgresDispatch) -> Any:
        held.append(HeldStore(store))
        return held[0]

    await run_commands(*[submit_job(await add_user()) for _ in range(3)])
    slow = asyncio.create_task(make_dispatch(wrap_store=hold)())
    await held[0].has_picked.wait()
    await run_commands(*[submit_job(await add_user()) for _ in range(3)])
    await make_dispatch()()
    held[0].may_send.set()
    await slow
    entries = await read_entries()
    assert len({envelope.fence for envelope in await read_topic("jobs.generic")}) == 6
    assert len(entries) == 6
    assert set((await list_rows(rows)).values()) == set(entries)


@pytest.mark.parametrize(
    ("where", "method", "when", "on_call"),
    [
        ("broker", "commit", "before", 1),  # picked, nothing sent
        ("broker", "commit", "after", 1),  # refused, and nobody knows
        ("store", "record_entries", "before", 1),  # later ids chosen
        ("store", "record_entries", "after", 1),  # recorded, not sent
        ("broker", "commit", "before", 2),
        ("broker", "commit", "after", 2),  # sent
    ],
)
async def test_a_dispatcher_that_ends_among_refused_ids_loses_and_doubles_nothing(
    where: str,
    method: str,
    when: Literal["before", "after"],
    on_call: int,
    make_dispatch: MakeDispatch,
    let_another_be_ahead: Callable[[], Awaitable[None]],
    run_commands: RunCommands,
    submit_job: BuildJob,
    user: UUID,
    rows: asyncpg.Connection,
    sweep: SweepLeasesTask,
    read_topic: ReadTopic,
    read_entries: Callable[[], Awaitable[list[str]]],
) -> None:
    """The sweeper finds the entry exactly where one was added."""
    await run_commands(submit_job(user))
    await let_another_be_ahead()

    crash = partial(with_crash, method=method, when=when, on_call=on_call)
    options: Any = {f"wrap_{where}": crash}
    with pytest.raises(Crash):
        await make_dispatch(**options)()
    entries = await read_entries()
    await rows.execute(OVERDUE)
    await sweep()
    losses = await read_topic("jobs.results")
    assert len(entries) + len(losses) == 1
    assert entries in ([], list((await list_rows(rows)).values()))


async def test_a_job_that_was_cancelled_among_refused_ids_is_not_sent(
    make_dispatch: MakeDispatch,
    let_another_be_ahead: Callable[[], Awaitable[None]],
    run_commands: RunCommands,
    submit_job: BuildJob,
    user: UUID,
    rows: asyncpg.Connection,
    read_entries: Callable[[], Awaitable[list[str]]],
) -> None:
    held: list[HeldStore] = []

    def hold(store: PostgresDispatch) -> Any:
        held.append(HeldStore(store))
        return held[0]

    await run_commands(submit_job(user))
    slow = asyncio.create_task(make_dispatch(wrap_store=hold)())
    await held[0].has_picked.wait()
    await let_another_be_ahead()
    await rows.execute("UPDATE jobs.jobs SET fence = NULL, dispatched_at = NULL")
    held[0].may_send.set()
    await slow
    assert await read_entries() == []


async def test_dispatch_goes_on_where_the_clock_of_redis_was_set_back(
    make_dispatch: MakeDispatch,
    let_another_be_ahead: Callable[[], Awaitable[None]],
    run_commands: RunCommands,
    submit_job: BuildJob,
    add_user: AddUser,
    rows: asyncpg.Connection,
    read_entries: Callable[[], Awaitable[list[str]]],
) -> None:
    await let_another_be_ahead()
    for _ in range(2):
        await run_commands(submit_job(await add_user()))
        await make_dispatch()()
    entries = await read_entries()
    assert len(entries) == 2
    assert set((await list_rows(rows)).values()) == set(entries)
