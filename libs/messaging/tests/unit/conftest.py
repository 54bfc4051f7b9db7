"""Processes around one wire, in a time that leaps to the next deadline as soon as all wait."""

import asyncio
import selectors
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from msaas.kernel import Clock
from msaas.messaging import Messenger
from msaas.messaging.loop import Loop
from msaas.streams import Wire
from msaas.telemetry import Metrics
from msaas.testing import MemoryWire

ENV = "test"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class _Leap(selectors.DefaultSelector):
    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("everybody waits, and nothing is ever going to happen")
        if not ready:
            self.passed += timeout or 0
        return ready


class LeapingLoop(asyncio.SelectorEventLoop):
    """Makes an hour of waiting cost nothing, and gives every run of a test the same times."""

    def __init__(self) -> None:
        self._leap = _Leap()
        super().__init__(self._leap)

    def time(self) -> float:
        return self._leap.passed


class LoopClock:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return LONG_AGO + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"leaping": LeapingLoop}


@pytest_asyncio.fixture
async def clock() -> Clock:
    return LoopClock(asyncio.get_running_loop())


@pytest.fixture
def wire(clock: Clock) -> MemoryWire:
    return MemoryWire(clock)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("test", ENV)


@pytest.fixture
def stand(clock: Clock, metrics: Metrics) -> Callable[..., Messenger]:
    """Return what makes a process of a kind that produces to topics."""

    def stand(wire: Wire, process: str, *produces: str) -> Messenger:
        return Messenger(wire, process, ENV, metrics=metrics, produces=produces, clock=clock)

    return stand


@pytest.fixture
def counted(metrics: Metrics) -> Callable[[str, str], float]:
    def counted(topic: str, outcome: str) -> float:
        origin = {"service": "test", "environment": ENV}
        labels = {"topic": topic, "outcome": outcome, **origin}
        return metrics.registry.get_sample_value("msaas_messages_total", labels) or 0

    return counted


@pytest.fixture
def running() -> Callable[[Loop], AbstractAsyncContextManager[asyncio.Task[None]]]:
    """Return what keeps a loop running for the time of a block, and then drains it."""

    @asynccontextmanager
    async def running(loop: Loop) -> AsyncGenerator[asyncio.Task[None]]:
        task = asyncio.create_task(loop.run())
        try:
            yield task
        finally:
            loop.drain()
            await task

    return running
