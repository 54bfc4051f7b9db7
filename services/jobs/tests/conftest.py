"""The service as tests meet it: users, a gateway that asks, workers that read, rows to look at."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from msaas.contracts import (
    CancelJob,
    JobEnvelope,
    Message,
    Plan,
    Reply,
    SubmitJob,
    decode,
    get_topic,
)
from msaas.jobs.adapters.postgres.dispatch import PostgresDispatch
from msaas.jobs.adapters.postgres.intake import PostgresIntake
from msaas.jobs.application.command_batch import CommandContext
from msaas.jobs.application.dispatch_jobs import DispatchJobs
from msaas.jobs.application.ports import DispatchedJob, TickResult, UploadLinks
from msaas.jobs.application.process_commands import ProcessCommands, ProcessedCommands
from msaas.jobs.bootstrap import Service, assemble, read_keys
from msaas.jobs.settings import LOCAL_SEALING_KEY
from msaas.kernel import RetryPolicy
from msaas.messaging import (
    BrokerUnavailable,
    CommandClient,
    CommandRefused,
    ConsumerTimings,
    Messenger,
    RedisBroker,
)
from msaas.postgres import Database, PostgresConfig
from msaas.telemetry import Metrics
from msaas.testing import GENEROUS_TIMEOUT, build_submit_job

TIMINGS = ConsumerTimings(
    block_timeout=0.05,
    heartbeat_interval=0.1,
    reclaim_after=0.5,
    drain_timeout=0.5,
    retry=RetryPolicy(base=0.01, cap=0.1),
)
ECHO = {"message": "hello"}


class OpenDatabase(Protocol):
    async def __call__(self, **options: Any) -> Database: ...


class AddUser(Protocol):
    async def __call__(self) -> UUID: ...


class StartService(Protocol):
    async def __call__(self) -> "Running": ...


@dataclass
class Running:
    service: Service
    metrics: Metrics
    stop: asyncio.Event
    task: "asyncio.Task[None]"

    async def end(self) -> None:
        self.stop.set()
        await self.task


@pytest.fixture(scope="session")
def login(postgres_url: str, template: str) -> str:
    """Set the login's password, which the migrations leave to whoever deploys."""

    async def set_password() -> None:
        admin = await asyncpg.connect(postgres_url)
        try:
            # Of the workers of a test run, one after the other: a role is the whole server's.
            await admin.execute("SELECT pg_advisory_lock(hashtext('svc_jobs'))")
            await admin.execute("ALTER ROLE svc_jobs PASSWORD 'svc_jobs'")
        finally:
            await admin.close()

    asyncio.run(set_password())
    return "svc_jobs:svc_jobs"


@pytest.fixture
def jobs_url(schema_url: str, login: str) -> str:
    """Name the database as the service's own login: what that may not do, no test can do."""
    url = urlsplit(schema_url)
    return url._replace(netloc=f"{login}@{url.netloc.rpartition('@')[2]}").geturl()


@pytest_asyncio.fixture
async def rows(schema_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Open a superuser's session, to prepare and to look."""
    connection = await asyncpg.connect(schema_url)
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def open_database(jobs_url: str) -> AsyncIterator[OpenDatabase]:
    """Open the database as one more replica would, with a pool of its own."""
    async with AsyncExitStack() as stack:

        async def open_(**options: Any) -> Database:
            setting = PostgresConfig(jobs_url, **options)
            return await stack.enter_async_context(Database(setting, Metrics("jobs", "test")))

        yield open_


@pytest_asyncio.fixture
async def database(open_database: OpenDatabase) -> Database:
    return await open_database()


@pytest_asyncio.fixture
async def open_broker(redis_url: str) -> AsyncIterator[Callable[..., RedisBroker]]:
    async with AsyncExitStack() as stack:

        def open_(url: str = redis_url) -> RedisBroker:
            wire = RedisBroker(url, command_timeout=GENEROUS_TIMEOUT)
            stack.push_async_callback(wire.close)
            return wire

        yield open_


@pytest.fixture
def add_user(rows: asyncpg.Connection) -> AddUser:
    async def add() -> UUID:
        user = uuid4()
        sql = "INSERT INTO identity.users (id, email) VALUES ($1, $2)"
        await rows.execute(sql, user, f"{user}@example.com")
        return user

    return add


@pytest_asyncio.fixture
async def user(add_user: AddUser) -> UUID:
    return await add_user()


@pytest_asyncio.fixture
async def start_service(
    database: Database, environment: str, open_broker: Callable[..., RedisBroker]
) -> AsyncIterator[StartService]:
    """Start a replica; it is drained when the test is over."""
    started: list[Running] = []

    async def start() -> Running:
        metrics = Metrics("jobs", "test")
        service = assemble(
            database,
            open_broker(),
            environment,
            metrics,
            opener=read_keys(LOCAL_SEALING_KEY),
            dispatch_window=200,
            timings=TIMINGS,
        )
        stop = asyncio.Event()
        running = Running(service, metrics, stop, asyncio.create_task(service.run(stop)))
        started.append(running)
        return running

    yield start
    for running in started:
        await running.end()


@pytest_asyncio.fixture
async def gateway(
    environment: str, open_broker: Callable[..., RedisBroker]
) -> AsyncIterator["Gateway"]:
    messenger = Messenger(
        open_broker(),
        "gateway",
        environment,
        metrics=Metrics("gateway", "test"),
        timings=TIMINGS,
    )
    gateway = Gateway(messenger, messenger.create_command_client())
    running = asyncio.create_task(messenger.run())
    yield gateway
    messenger.drain()
    await running


class Gateway:
    """Asks as the gateway does, and tells what it was answered."""

    def __init__(self, messenger: Messenger, client: CommandClient) -> None:
        self.messenger = messenger
        self._client = client

    async def call(self, command: Message, traceparent: str | None = None) -> Reply:
        try:
            return await self._client.call(
                "jobs.commands", command, ttl=45.0, correlation_id="test", traceparent=traceparent
            )
        except CommandRefused as refusal:
            return Reply(command_id=uuid4(), ok=False, problem=refusal.problem)

    async def submit(self, user: UUID, **fields: Any) -> Reply:
        trace = fields.pop("traceparent", None)
        command = build_submit_job(user_id=user, **{"plan": Plan.FREE, "payload": ECHO} | fields)
        return await self.call(command, trace)

    async def cancel(self, user: UUID, job_id: UUID) -> Reply:
        return await self.call(CancelJob(job_id=job_id, user_id=user))


@pytest.fixture
def read_topic(
    environment: str, open_broker: Callable[..., RedisBroker]
) -> Callable[[str], Awaitable[Sequence[Any]]]:
    """Read every message that lies on a topic with one stream."""
    wire = open_broker()

    async def read(name: str) -> Sequence[Any]:
        topic = get_topic(name)
        [key] = topic.keys(environment)
        found = await wire.tail({key: "0-0"}, 1_000, 0)
        return [decode(topic, raw.fields).message for raw in found.get(key, ())]

    return read


@pytest.fixture
def read_envelopes(
    read_topic: Callable[[str], Awaitable[Sequence[Any]]],
) -> Callable[[], Awaitable[Sequence[JobEnvelope]]]:
    async def read() -> Sequence[JobEnvelope]:
        return await read_topic("jobs.generic")

    return read


class FakeWorkerQueue:
    """Where envelopes go: `room` says how many more get an entry."""

    def __init__(self) -> None:
        self.capacity = 1_000
        self.is_away = False
        self.sent: list[JobEnvelope] = []
        self.withdrawn: list[tuple[str, Sequence[str]]] = []
        self.undeliverable: dict[UUID, str] = {}
        self.marked: set[UUID] = set()

    async def ping(self) -> None:
        if self.is_away:
            raise BrokerUnavailable(target="test")

    async def send(
        self, topic: str, envelope: JobEnvelope, traceparent: str | None = None
    ) -> str | None:
        if self.capacity == 0:
            return None
        self.capacity -= 1
        self.sent.append(envelope)
        return f"{len(self.sent)}-0"

    async def report_undeliverable(self, job: DispatchedJob, error: str) -> None:
        self.undeliverable[job.job_id] = error

    async def withdraw(self, topic: str, entry_ids: Sequence[str]) -> None:
        self.withdrawn.append((topic, entry_ids))

    async def mark_cancelled(self, job_ids: Iterable[UUID], ttl: timedelta) -> None:
        self.marked |= set(job_ids)


@pytest.fixture
def workers() -> FakeWorkerQueue:
    return FakeWorkerQueue()


@pytest.fixture
def run_commands(
    database: Database, workers: FakeWorkerQueue
) -> Callable[..., Awaitable[ProcessedCommands]]:
    """Settle commands as one batch, without a wire."""
    use_case = ProcessCommands(
        PostgresIntake(database), workers, Metrics("jobs", "test"), request_dispatch=lambda: None
    )

    async def settle_(*commands: SubmitJob | CancelJob) -> ProcessedCommands:
        return await use_case(
            [CommandContext(command=one, correlation_id="test") for one in commands]
        )

    return settle_


@pytest.fixture
def run_tick(database: Database, workers: FakeWorkerQueue) -> Callable[..., Awaitable[TickResult]]:
    """Dispatch once, without a wire."""

    async def tick_(
        window: int = 200, links: UploadLinks | None = None, **options: Any
    ) -> TickResult:
        record = PostgresDispatch(database, window=window, **options)
        opener = read_keys(LOCAL_SEALING_KEY)
        metrics = Metrics("jobs", "test")
        return await DispatchJobs(record, workers, opener, metrics, upload_links=links)()

    return tick_


@pytest.fixture
def submit_job() -> Callable[..., SubmitJob]:
    def build(user: UUID, **fields: Any) -> SubmitJob:
        return build_submit_job(user_id=user, **{"payload": ECHO} | fields)

    return build
