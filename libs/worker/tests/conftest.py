"""A worker and a fake jobs service on a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, suppress

import pytest_asyncio
from worker_support import OpenMessenger, OpenWorker, StartMessenger

from msaas.contracts import TASKS, Task
from msaas.kernel import Clock
from msaas.messaging import ConsumerTimings, Messenger, RedisBroker
from msaas.telemetry import Metrics
from msaas.testing import GENEROUS_TIMEOUT, FakeJobsService
from msaas.worker import Action, JobWorker

TIMINGS = ConsumerTimings(
    block_timeout=0.05,
    heartbeat_interval=0.1,
    reclaim_after=0.5,
    drain_timeout=0.3,
    epoch_interval=0.2,
)


@pytest_asyncio.fixture
async def open_messenger(redis_url: str, environment: str) -> AsyncIterator[OpenMessenger]:
    """Return a function that creates messengers, whose connections close with the test."""
    async with AsyncExitStack() as stack:

        def open_(process: str) -> tuple[Messenger, Metrics]:
            broker = RedisBroker(redis_url, command_timeout=GENEROUS_TIMEOUT)
            metrics = Metrics(process, environment)
            stack.push_async_callback(broker.close)
            messenger = Messenger(broker, process, environment, metrics=metrics, timings=TIMINGS)
            return messenger, metrics

        yield open_


@pytest_asyncio.fixture
async def start_messenger() -> AsyncIterator[StartMessenger]:
    running: list[tuple[Messenger, asyncio.Task[None]]] = []

    def start_(messenger: Messenger) -> asyncio.Task[None]:
        task = asyncio.create_task(messenger.run())
        running.append((messenger, task))
        return task

    yield start_
    for messenger, task in reversed(running):
        messenger.drain()
        with suppress(asyncio.CancelledError):
            await task


@pytest_asyncio.fixture
async def jobs_service(
    open_messenger: OpenMessenger, start_messenger: StartMessenger
) -> FakeJobsService:
    messenger, _ = open_messenger("jobs")
    service = FakeJobsService(messenger, "jobs.generic")
    start_messenger(messenger)
    return service


@pytest_asyncio.fixture
async def open_worker(open_messenger: OpenMessenger, start_messenger: StartMessenger) -> OpenWorker:
    def open_(
        action: Action,
        slots: int = 10,
        clock: Clock | None = None,
        tasks: Mapping[str, Task] = TASKS,
    ) -> tuple[Messenger, asyncio.Task[None]]:
        messenger, metrics = open_messenger("jobs-worker")
        JobWorker(
            messenger,
            "jobs.generic",
            [action],
            slots=slots,
            name="w",
            metrics=metrics,
            clock=clock,
            tasks=tasks,
        )
        return messenger, start_messenger(messenger)

    return open_
