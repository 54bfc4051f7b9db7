"""Processes on one broker; time jumps to the next deadline as soon as all tasks wait."""

import asyncio
import selectors
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from msaas.kernel import Clock
from msaas.messaging import Messenger
from msaas.messaging.loop import BrokerLoop
from msaas.streams import Broker
from msaas.telemetry import Metrics
from msaas.testing import MemoryBroker

ENV = "test"
START_TIME = datetime(2026, 1, 1, tzinfo=UTC)


class _SkippingSelector(selectors.DefaultSelector):
    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("everybody waits, and nothing is ever going to happen")
        if not ready:
            self.passed += timeout or 0
        return ready


class TimeSkippingLoop(asyncio.SelectorEventLoop):
    """Makes an hour of waiting cost nothing, and gives every run of a test the same times."""

    def __init__(self) -> None:
        self._skipping_selector = _SkippingSelector()
        super().__init__(self._skipping_selector)

    def time(self) -> float:
        return self._skipping_selector.passed


class LoopClock:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return START_TIME + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"leaping": TimeSkippingLoop}


@pytest_asyncio.fixture
async def clock() -> Clock:
    return LoopClock(asyncio.get_running_loop())


@pytest.fixture
def broker(clock: Clock) -> MemoryBroker:
    return MemoryBroker(clock)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("test", ENV)


@pytest.fixture
def make_messenger(clock: Clock, metrics: Metrics) -> Callable[..., Messenger]:
    """Return a factory of messengers, one for each process."""

    def make(broker: Broker, process: str) -> Messenger:
        return Messenger(broker, process, ENV, metrics=metrics, clock=clock)

    return make


@pytest.fixture
def counted(metrics: Metrics) -> Callable[[str, str], float]:
    def counted(topic: str, outcome: str) -> float:
        origin = {"service": "test", "environment": ENV}
        labels = {"topic": topic, "outcome": outcome, **origin}
        return metrics.registry.get_sample_value("msaas_messages_total", labels) or 0

    return counted


@pytest.fixture
def running() -> Callable[[BrokerLoop], AbstractAsyncContextManager[asyncio.Task[None]]]:
    """Return a context manager that runs a loop for the time of a block, and then drains it."""

    @asynccontextmanager
    async def running(loop: BrokerLoop) -> AsyncGenerator[asyncio.Task[None]]:
        task = asyncio.create_task(loop.run())
        try:
            yield task
        finally:
            loop.drain()
            await task

    return running
