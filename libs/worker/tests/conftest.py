"""A fleet of one worker and of an owner who sends envelopes and collects what is reported."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest_asyncio

from msaas.contracts import EchoParams, EchoResult, JobEnvelope, Message
from msaas.messaging import Delivery, Messenger, Outgoing, Pace, RedisWire
from msaas.telemetry import Metrics
from msaas.testing import PATIENCE, build_job_envelope, build_job_meta, wait_until
from msaas.worker import Action, JobWorker, Run

PACE = Pace(block=0.05, beat=0.1, idle=0.5, drain=0.3, watch=0.2)


class Script:
    """An action that does as the test says, and lets it know that it has begun."""

    def __init__(self, act: Callable[[Run], Any] | None = None) -> None:
        self._act = act
        self.began = asyncio.Event()
        self.begun = 0

    async def run(self, run: Run) -> Any:
        self.begun += 1
        self.began.set()
        if self._act is not None:
            return await self._act(run)
        assert isinstance(run.params, EchoParams)
        return EchoResult(message=run.params.message)


class Owner:
    """Plays the part of the jobs service on a real wire."""

    def __init__(self, messenger: Messenger, metrics: Metrics) -> None:
        self.messenger = messenger
        self.metrics = metrics
        self.heard: list[Message] = []
        messenger.batch("jobs.results", self._hear)

    async def _hear(self, batch: Sequence[Delivery]) -> list[Outgoing]:
        self.heard += [delivery.message for delivery in batch]
        return []

    async def send(self, **fields: Any) -> JobEnvelope:
        meta = {"valid_until": datetime.now(UTC) + timedelta(minutes=9), **fields.pop("meta", {})}
        fields = {"payload": {"message": "hello"}, **fields}
        envelope = build_job_envelope(**fields, meta=build_job_meta(**meta))
        await self.messenger.publisher.publish("jobs.generic", envelope, correlation_id="test")
        return envelope

    def names(self, envelope: JobEnvelope) -> list[str]:
        return [type(one).__name__ for one in self._of(envelope)]

    async def verdict(self, envelope: JobEnvelope) -> Any:
        """Wait for how the run ended."""
        ends = {"JobSucceeded", "JobFailed", "JobLost"}
        await wait_until(lambda: ends & set(self.names(envelope)))
        [end] = [one for one in self._of(envelope) if type(one).__name__ in ends]
        return end

    def _of(self, envelope: JobEnvelope) -> list[Any]:
        heard: list[Any] = list(self.heard)
        return [one for one in heard if one.job_id == envelope.job_id]


@pytest_asyncio.fixture
async def open_messenger(redis_url: str, environment: str) -> AsyncIterator[Callable[..., Any]]:
    """Return a way to run messengers until the test, or the test's patience, is over."""
    async with AsyncExitStack() as stack:

        def open_(process: str, *produces: str) -> tuple[Messenger, Metrics]:
            wire = RedisWire(redis_url, command_timeout=PATIENCE)
            metrics = Metrics(process, environment)
            stack.push_async_callback(wire.close)
            made = Messenger(
                wire, process, environment, metrics=metrics, produces=produces, pace=PACE
            )
            return made, metrics

        yield open_


@pytest_asyncio.fixture
async def start() -> AsyncIterator[Callable[[Messenger], Any]]:
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
async def owner(open_messenger: Callable[..., Any], start: Callable[[Messenger], Any]) -> Owner:
    messenger, metrics = open_messenger("jobs", "jobs.generic", "jobs.control")
    owner = Owner(messenger, metrics)
    start(messenger)
    return owner


@pytest_asyncio.fixture
async def open_worker(
    open_messenger: Callable[..., Any], start: Callable[[Messenger], Any]
) -> Callable[..., tuple[Messenger, asyncio.Task[None]]]:
    def open_(
        actions: Mapping[str, Action] | Action, slots: int = 10
    ) -> tuple[Messenger, asyncio.Task[None]]:
        messenger, metrics = open_messenger("jobs-worker", "jobs.results")
        chosen = actions if isinstance(actions, Mapping) else {"echo": actions}
        JobWorker(messenger, "jobs.generic", chosen, slots=slots, name="w", metrics=metrics)
        return messenger, start(messenger)

    return open_


@pytest_asyncio.fixture
async def script() -> Callable[..., Script]:
    return Script
