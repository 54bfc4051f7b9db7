"""A fleet of one worker and of an owner who sends envelopes and collects what is reported."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest_asyncio

from msaas.contracts import EchoParams, EchoResult, JobEnvelope, Message
from msaas.messaging import ConsumerTimings, Delivery, Messenger, OutgoingMessage, RedisBroker
from msaas.telemetry import Metrics
from msaas.testing import GENEROUS_TIMEOUT, build_job_envelope, build_job_meta, wait_until
from msaas.worker import Action, JobWorker, RunContext

TIMINGS = ConsumerTimings(
    block_timeout=0.05,
    heartbeat_interval=0.1,
    reclaim_after=0.5,
    drain_timeout=0.3,
    epoch_interval=0.2,
)


class ScriptedAction:
    """An action that does as the test says, and lets it know that it has begun."""

    def __init__(self, act: Callable[[RunContext], Any] | None = None) -> None:
        self._act = act
        self.started = asyncio.Event()
        self.run_count = 0

    async def run(self, run: RunContext) -> Any:
        self.run_count += 1
        self.started.set()
        if self._act is not None:
            return await self._act(run)
        assert isinstance(run.params, EchoParams)
        return EchoResult(message=run.params.message)


class FakeJobsService:
    """Plays the part of the jobs service on a real wire."""

    def __init__(self, messenger: Messenger, metrics: Metrics) -> None:
        self.messenger = messenger
        self.metrics = metrics
        self.received: list[Message] = []
        messenger.consume_batches("jobs.results", self._on_results)

    async def _on_results(self, batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        self.received += [delivery.message for delivery in batch]
        return []

    async def send(self, **fields: Any) -> JobEnvelope:
        meta = {"valid_until": datetime.now(UTC) + timedelta(minutes=9), **fields.pop("meta", {})}
        fields = {"payload": {"message": "hello"}, **fields}
        envelope = build_job_envelope(**fields, meta=build_job_meta(**meta))
        await self.messenger.publisher.publish("jobs.generic", envelope, correlation_id="test")
        return envelope

    def list_message_types(self, envelope: JobEnvelope) -> list[str]:
        return [type(one).__name__ for one in self._list_messages(envelope)]

    async def wait_for_outcome(self, envelope: JobEnvelope) -> Any:
        """Wait for how the run ended."""
        ends = {"JobSucceeded", "JobFailed", "JobLost"}
        await wait_until(lambda: ends & set(self.list_message_types(envelope)))
        [end] = [one for one in self._list_messages(envelope) if type(one).__name__ in ends]
        return end

    def _list_messages(self, envelope: JobEnvelope) -> list[Any]:
        received: list[Any] = list(self.received)
        return [one for one in received if one.job_id == envelope.job_id]


@pytest_asyncio.fixture
async def open_messenger(redis_url: str, environment: str) -> AsyncIterator[Callable[..., Any]]:
    """Return a way to run messengers until the test, or the test's patience, is over."""
    async with AsyncExitStack() as stack:

        def open_(process: str) -> tuple[Messenger, Metrics]:
            broker = RedisBroker(redis_url, command_timeout=GENEROUS_TIMEOUT)
            metrics = Metrics(process, environment)
            stack.push_async_callback(broker.close)
            messenger = Messenger(broker, process, environment, metrics=metrics, timings=TIMINGS)
            return messenger, metrics

        yield open_


@pytest_asyncio.fixture
async def start_messenger() -> AsyncIterator[Callable[[Messenger], Any]]:
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
    open_messenger: Callable[..., Any], start_messenger: Callable[[Messenger], Any]
) -> FakeJobsService:
    messenger, metrics = open_messenger("jobs")
    owner = FakeJobsService(messenger, metrics)
    start_messenger(messenger)
    return owner


@pytest_asyncio.fixture
async def open_worker(
    open_messenger: Callable[..., Any], start_messenger: Callable[[Messenger], Any]
) -> Callable[..., tuple[Messenger, asyncio.Task[None]]]:
    def open_(
        actions: Mapping[str, Action] | Action, slots: int = 10
    ) -> tuple[Messenger, asyncio.Task[None]]:
        messenger, metrics = open_messenger("jobs-worker")
        chosen = actions if isinstance(actions, Mapping) else {"echo": actions}
        JobWorker(messenger, "jobs.generic", chosen, slots=slots, name="w", metrics=metrics)
        return messenger, start_messenger(messenger)

    return open_


@pytest_asyncio.fixture
async def scripted_action() -> Callable[..., ScriptedAction]:
    return ScriptedAction
