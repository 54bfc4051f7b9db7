"""A record in Postgres, and messengers, programs and servers that end with their test."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
import redis.asyncio

from msaas.contracts import SubmitJob, UsageRecorded, decode, get_topic
from msaas.kernel import RetryPolicy
from msaas.messaging import Delivery, Messenger, Outgoing, Pace, RedisWire
from msaas.postgres import Database, PostgresSetting
from msaas.streams import Outbox
from msaas.telemetry import Metrics
from msaas.testing import build_submit_job, build_usage_recorded

PROGRAMS = Path(__file__).parents[1] / "programs"
PACE = Pace(
    block=0.05,
    beat=0.1,
    idle=0.5,
    handler=5.0,
    drain=0.5,
    watch=0.02,
    gauge=0.02,
    retry=RetryPolicy(base=0.01, cap=0.1),
)
RECORD = """
create table jobs (job_id uuid primary key, seq bigint generated always as identity);
create table billed (seq bigint primary key, job_id uuid not null unique);
create function persist(given uuid[]) returns setof jobs language sql as $$
    insert into jobs (job_id) select unnest(given) on conflict do nothing;
    select * from jobs where job_id = any(given);
$$;
"""
# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.asyncio.Redis


class Record:
    """What the owners keep: one row for each effect, under its natural key."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def make(self) -> None:
        async with self.database.connection() as connection:
            await connection.execute(RECORD)

    async def submit(self, batch: Sequence[Delivery]) -> list[Outgoing]:
        """Be the `jobs` service: commit a row for each command, answer, publish its usage."""
        causes = {d.message.job_id: d for d in batch if isinstance(d.message, SubmitJob)}
        async with self.database.transaction() as connection:
            rows = await connection.fetch("select seq, job_id from persist($1)", list(causes))
        return [
            one
            for seq, job_id in rows
            for one in (
                causes[job_id].emit("usage.events", build_usage_recorded(seq=seq, job_id=job_id)),
                *causes[job_id].accept(seq=seq),
            )
        ]

    async def bill(self, batch: Sequence[Delivery]) -> list[Outgoing]:
        """Be the `billing` service."""
        facts = {d.message.seq: d.message for d in batch if isinstance(d.message, UsageRecorded)}
        async with self.database.transaction() as connection:
            await connection.execute(
                "insert into billed select * from unnest($1::bigint[], $2::uuid[])"
                " on conflict (seq) do nothing",
                list(facts),
                [fact.job_id for fact in facts.values()],
            )
        return []

    async def list_unbilled(self) -> list[Outgoing]:
        async with self.database.connection() as connection:
            rows = await connection.fetch(
                "select seq, job_id from jobs where seq not in (select seq from billed)"
            )
        return [
            Outgoing(
                message=build_usage_recorded(seq=row["seq"], job_id=row["job_id"]),
                topic="usage.events",
                correlation_id="again",
            )
            for row in rows
        ]

    async def list_jobs(self) -> set[UUID]:
        return await self._list("jobs")

    async def list_billed(self) -> set[UUID]:
        return await self._list("billed")

    async def _list(self, table: str) -> set[UUID]:
        async with self.database.connection() as connection:
            return {row["job_id"] for row in await connection.fetch(f"select job_id from {table}")}


@pytest_asyncio.fixture
async def open_record() -> AsyncIterator[Callable[[str], Awaitable[Record]]]:
    """Return a way to open the record at another address: behind a proxy, on another server."""
    async with AsyncExitStack() as stack:

        async def open_(url: str) -> Record:
            setting = PostgresSetting(url, acquire_timeout=0.5, command_timeout=1.0)
            database = Database(setting, Metrics("tests", "tests"))
            return Record(await stack.enter_async_context(database))

        yield open_


@pytest_asyncio.fixture
async def record(database_url: str, open_record: Callable[[str], Awaitable[Record]]) -> Record:
    made = await open_record(database_url)
    await made.make()
    return made


@pytest_asyncio.fixture
async def open_wire(redis_url: str) -> AsyncIterator[Callable[..., RedisWire]]:
    async with AsyncExitStack() as stack:

        def open_(url: str = redis_url) -> RedisWire:
            wire = RedisWire(url)
            stack.push_async_callback(wire.close)
            return wire

        yield open_


@pytest_asyncio.fixture
async def open_client(redis_url: str) -> AsyncIterator[Callable[..., Any]]:
    """Return a way to ask Redis what the wire has no words for."""
    async with AsyncExitStack() as stack:

        def open_(url: str = redis_url) -> Any:
            client = _Redis.from_url(url, decode_responses=True)
            stack.push_async_callback(client.aclose)
            return client

        yield open_


@pytest_asyncio.fixture
async def open_messenger(
    environment: str, redis_url: str, open_wire: Callable[..., RedisWire]
) -> Callable[..., Messenger]:
    def open_(
        process: str,
        *produces: str,
        url: str = redis_url,
        wire: RedisWire | None = None,
        metrics: Metrics | None = None,
        **pace: Any,
    ) -> Messenger:
        return Messenger(
            wire or open_wire(url),
            process,
            environment,
            metrics=metrics or Metrics(process, environment),
            produces=produces,
            pace=replace(PACE, **pace),
        )

    return open_


@pytest_asyncio.fixture
async def start(
    open_wire: Callable[..., RedisWire], open_record: Callable[[str], Awaitable[Record]]
) -> AsyncIterator[Callable[..., None]]:
    """Return a way to run messengers until the test is over."""
    async with asyncio.TaskGroup() as group:
        started: list[Messenger] = []

        def start_(*messengers: Messenger) -> None:
            for messenger in messengers:
                started.append(messenger)
                group.create_task(messenger.run())

        yield start_
        for messenger in started:
            messenger.drain()


@pytest_asyncio.fixture
async def read_stream(
    environment: str, open_wire: Callable[..., RedisWire]
) -> Callable[..., Awaitable[list[Any]]]:
    """Return a way to read every message that lies on a topic with one consumer."""
    wire = open_wire()

    async def read(topic_name: str, *, wire: RedisWire = wire) -> list[Any]:
        topic = get_topic(topic_name)
        [key] = topic.keys(environment)
        found = await wire.tail({key: "0-0"}, 1000, 0)
        return [decode(topic, raw.fields).message for raw in found.get(key, ())]

    return read


@pytest_asyncio.fixture
async def start_program(
    environment: str, redis_url: str, database_url: str, tmp_path: Path
) -> AsyncIterator[Callable[..., Awaitable[asyncio.subprocess.Process]]]:
    """Return a way to run a consumer as a process of its own."""
    started: list[asyncio.subprocess.Process] = []

    async def start_(name: str, crash: str = "") -> asyncio.subprocess.Process:
        given = {
            "ENVIRONMENT": environment,
            "REDIS_URL": redis_url,
            "DATABASE_URL": database_url,
            "CRASH": crash,
        }
        with (tmp_path / f"{len(started)}-{name}.log").open("wb") as log:
            program = await asyncio.create_subprocess_exec(
                sys.executable, str(PROGRAMS / name), env=os.environ | given, stdout=log, stderr=log
            )
        started.append(program)
        return program

    yield start_
    for program in started:
        if program.returncode is None:
            program.kill()
            await program.wait()


@pytest.fixture
def submit(environment: str) -> Callable[..., Awaitable[set[UUID]]]:
    """Return the gateway's part: publish that many commands, answer their jobs."""

    async def submit_(wire: RedisWire, count: int) -> set[UUID]:
        commands = [build_submit_job() for _ in range(count)]
        await Outbox(wire, "gateway", environment, ["jobs.commands"]).commit(
            Outgoing(message=command, topic="jobs.commands", correlation_id="test")
            for command in commands
        )
        return {command.job_id for command in commands}

    return submit_
