"""A database in Postgres, and messengers, programs and servers that end with their test."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
import redis.asyncio

from msaas.contracts import SubmitJob, UsageRecorded, decode, get_topic
from msaas.kernel import CommandTimeout, DependencyUnavailable, RetryPolicy
from msaas.messaging import ConsumerTimings, Delivery, Messenger, OutgoingMessage, RedisBroker
from msaas.postgres import Database, PostgresConfig
from msaas.streams import StreamPublisher
from msaas.telemetry import Metrics
from msaas.testing import build_submit_job, build_usage_recorded

PROGRAMS = Path(__file__).parents[1] / "programs"
PACE = ConsumerTimings(
    block_timeout=0.05,
    heartbeat_interval=0.1,
    reclaim_after=0.5,
    handler_timeout=5.0,
    drain_timeout=0.5,
    epoch_interval=0.02,
    gauge_interval=0.02,
    retry=RetryPolicy(base=0.01, cap=0.1),
)
SCHEMA = """
create table jobs (job_id uuid primary key, seq bigint generated always as identity);
create table billed (seq bigint primary key, job_id uuid not null unique);
create function persist(given uuid[]) returns setof jobs language sql as $$
    insert into jobs (job_id) select unnest(given) on conflict do nothing;
    select * from jobs where job_id = any(given);
$$;
"""
# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.asyncio.Redis


class JobDatabase:
    """The owners' tables: one row for each effect, under its natural key."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def create_schema(self) -> None:
        async with self.database.connection() as connection:
            await connection.execute(SCHEMA)

    async def submit(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        """Be the `jobs` service: commit a row for each command, answer, publish its usage."""
        causes = {d.message.job_id: d for d in batch if isinstance(d.message, SubmitJob)}
        async with self.database.transaction() as connection:
            rows = await connection.fetch("select seq, job_id from persist($1)", list(causes))
        return [
            outgoing
            for seq, job_id in rows
            for outgoing in (
                causes[job_id].emit("usage.events", build_usage_recorded(seq=seq, job_id=job_id)),
                *causes[job_id].reply_success(seq=seq),
            )
        ]

    async def bill(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]:
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

    async def list_unbilled(self) -> list[OutgoingMessage]:
        async with self.database.connection() as connection:
            rows = await connection.fetch(
                "select seq, job_id from jobs where seq not in (select seq from billed)"
            )
        return [
            OutgoingMessage(
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
        """Read for the test, which waits for a server that is slow for longer than a service."""
        while True:
            with suppress(CommandTimeout, DependencyUnavailable):
                async with self.database.connection() as connection:
                    rows = await connection.fetch(f"select job_id from {table}")
                return {row["job_id"] for row in rows}


@pytest_asyncio.fixture
async def open_job_database() -> AsyncIterator[Callable[[str], Awaitable[JobDatabase]]]:
    """Return a way to open the database at another address: behind a proxy, on another server."""
    async with AsyncExitStack() as stack:

        async def open_(url: str) -> JobDatabase:
            postgres_config = PostgresConfig(url, acquire_timeout=0.5, command_timeout=1.0)
            database = Database(postgres_config, Metrics("tests", "tests"))
            return JobDatabase(await stack.enter_async_context(database))

        yield open_


@pytest_asyncio.fixture
async def job_database(
    database_url: str, open_job_database: Callable[[str], Awaitable[JobDatabase]]
) -> JobDatabase:
    made = await open_job_database(database_url)
    await made.create_schema()
    return made


@pytest_asyncio.fixture
async def open_broker(redis_url: str) -> AsyncIterator[Callable[..., RedisBroker]]:
    async with AsyncExitStack() as stack:

        def open_(url: str = redis_url) -> RedisBroker:
            broker = RedisBroker(url)
            stack.push_async_callback(broker.close)
            return broker

        yield open_


@pytest_asyncio.fixture
async def open_client(redis_url: str) -> AsyncIterator[Callable[..., Any]]:
    """Return a Redis client for what the broker does not offer."""
    async with AsyncExitStack() as stack:

        def open_(url: str = redis_url) -> Any:
            client = _Redis.from_url(url, decode_responses=True)
            stack.push_async_callback(client.aclose)
            return client

        yield open_


@pytest_asyncio.fixture
async def open_messenger(
    environment: str, redis_url: str, open_broker: Callable[..., RedisBroker]
) -> Callable[..., Messenger]:
    def open_(
        process: str,
        url: str = redis_url,
        broker: RedisBroker | None = None,
        metrics: Metrics | None = None,
        **timings: Any,
    ) -> Messenger:
        return Messenger(
            broker or open_broker(url),
            process,
            environment,
            metrics=metrics or Metrics(process, environment),
            timings=replace(PACE, **timings),
        )

    return open_


@pytest_asyncio.fixture
async def start(
    open_broker: Callable[..., RedisBroker],
    open_job_database: Callable[[str], Awaitable[JobDatabase]],
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
    environment: str, open_broker: Callable[..., RedisBroker]
) -> Callable[..., Awaitable[list[Any]]]:
    """Return a way to read every message that lies on a topic with one consumer."""
    broker = open_broker()

    async def read(topic_name: str, *, broker: RedisBroker = broker) -> list[Any]:
        topic = get_topic(topic_name)
        [key] = topic.keys(environment)
        found = await broker.tail({key: "0-0"}, 1000, 0)
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

    async def submit_(broker: RedisBroker, count: int) -> set[UUID]:
        commands = [build_submit_job() for _ in range(count)]
        await StreamPublisher(broker, "gateway", environment).commit(
            OutgoingMessage(message=command, topic="jobs.commands", correlation_id="test")
            for command in commands
        )
        return {command.job_id for command in commands}

    return submit_
