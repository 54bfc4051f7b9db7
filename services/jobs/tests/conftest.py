"""Fixtures of the service: users, a gateway, worker queues, and sessions that read rows."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from services.jobs.tests.support import (
    ECHO,
    AddUser,
    BuildJob,
    FakeWorkerQueue,
    Gateway,
    OpenBroker,
    OpenDatabase,
    ReadEnvelopes,
    ReadTopic,
    RunCommands,
    Running,
    RunTick,
    StartService,
)

from msaas.contracts import (
    CancelJob,
    JobEnvelope,
    SubmitJob,
    decode,
    get_topic,
)
from msaas.jobs.adapters.postgres.dispatch import PostgresDispatch
from msaas.jobs.adapters.postgres.intake import PostgresIntake
from msaas.jobs.adapters.postgres.store import PostgresStore
from msaas.jobs.application.command_batch import CommandContext
from msaas.jobs.application.dispatch_jobs import DispatchJobs
from msaas.jobs.application.ports import TickResult, UploadLinks
from msaas.jobs.application.process_commands import ProcessCommands, ProcessedCommands
from msaas.jobs.bootstrap import assemble, read_keys
from msaas.jobs.settings import LOCAL_SEALING_KEY
from msaas.kernel import RetryPolicy
from msaas.messaging import (
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


@pytest.fixture(scope="session")
def login(postgres_url: str, template: str) -> str:
    """Set the login's password, which the migrations do not set."""

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
    """Open a superuser's session, to prepare and read rows."""
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
async def open_broker(redis_url: str) -> AsyncIterator[OpenBroker]:
    async with AsyncExitStack() as stack:

        def open_(url: str = redis_url) -> RedisBroker:
            broker = RedisBroker(url, command_timeout=GENEROUS_TIMEOUT)
            stack.push_async_callback(broker.close)
            return broker

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
    database: Database, environment: str, open_broker: OpenBroker
) -> AsyncIterator[StartService]:
    """Start a replica; it is drained when the test is over."""
    started: list[Running] = []

    async def start(
        timings: ConsumerTimings = TIMINGS, broker: RedisBroker | None = None
    ) -> Running:
        metrics = Metrics("jobs", "test")
        service = assemble(
            database,
            broker or open_broker(),
            environment,
            metrics,
            opener=read_keys(LOCAL_SEALING_KEY),
            dispatch_window=200,
            timings=timings,
        )
        stop = asyncio.Event()
        running = Running(service, metrics, stop, asyncio.create_task(service.run(stop)))
        started.append(running)
        return running

    yield start
    for running in started:
        await running.end()


@pytest_asyncio.fixture
async def gateway(environment: str, open_broker: OpenBroker) -> AsyncIterator[Gateway]:
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


@pytest.fixture
def read_topic(environment: str, open_broker: OpenBroker) -> ReadTopic:
    """Read every message that lies on a topic with one stream."""
    broker = open_broker()

    async def read(name: str) -> list[Any]:
        topic = get_topic(name)
        [key] = topic.keys(environment)
        found = await broker.tail({key: "0-0"}, 1_000, 0)
        return [decode(topic, raw.fields).message for raw in found.get(key, ())]

    return read


@pytest.fixture
def read_envelopes(
    read_topic: ReadTopic,
) -> ReadEnvelopes:
    async def read() -> Sequence[JobEnvelope]:
        return await read_topic("jobs.generic")

    return read


@pytest.fixture
def workers() -> FakeWorkerQueue:
    return FakeWorkerQueue()


@pytest.fixture
def run_commands(database: Database, workers: FakeWorkerQueue) -> RunCommands:
    """Settle commands as one batch, without a broker."""
    use_case = ProcessCommands(
        PostgresStore(database, PostgresIntake),
        workers,
        Metrics("jobs", "test"),
        request_dispatch=lambda: None,
    )

    async def settle_(*commands: SubmitJob | CancelJob) -> ProcessedCommands:
        return await use_case(
            [CommandContext(command=command, correlation_id="test") for command in commands]
        )

    return settle_


@pytest.fixture
def run_tick(database: Database, workers: FakeWorkerQueue) -> RunTick:
    """Dispatch once, without a broker."""

    async def tick_(
        window: int = 200, links: UploadLinks | None = None, **options: Any
    ) -> TickResult:
        store = PostgresDispatch(database, window=window, **options)
        opener = read_keys(LOCAL_SEALING_KEY)
        metrics = Metrics("jobs", "test")
        return await DispatchJobs(store, workers, opener, metrics, upload_links=links)()

    return tick_


@pytest.fixture
def submit_job() -> BuildJob:
    def build(user: UUID, **fields: Any) -> SubmitJob:
        return build_submit_job(user_id=user, **{"payload": ECHO} | fields)

    return build
