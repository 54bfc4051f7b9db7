"""A loop that outlives every failure of its steps and ends when it is asked to."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from msaas.contracts import Topic, TopicKind, get_topic
from msaas.kernel import Clock, RetryPolicy, SystemClock
from msaas.messaging.meter import Meter
from msaas.streams import GrantRefused, Outbox, Wire, is_dependency_failure
from msaas.telemetry import get_logger

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a loop waits, in seconds, and how often an entry may be delivered."""

    block: float = 1.0
    beat: float = 3.0
    idle: float = 10.0
    handler: float = 30.0
    drain: float = 20.0
    watch: float = 1.0
    gauge: float = 5.0
    deliveries: int = 5
    retry: RetryPolicy = field(default_factory=RetryPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """Where one process stands on the wire: all that its loops share."""

    wire: Wire
    outbox: Outbox
    meter: Meter
    process: str
    environment: str
    consumer: str
    pace: Pace = field(default_factory=Pace)
    clock: Clock = field(default_factory=SystemClock)

    def get_topic_to_read(self, name: str, kind: TopicKind) -> Topic:
        topic = get_topic(name)
        if topic.kind is not kind or self.process not in topic.consumers:
            raise GrantRefused(f"The registry does not let {self.process} read {name}.")
        return topic


class HandedBack(Exception):
    """Draining while something outside is down: what is in hand goes back to the others."""


class Loop(ABC):
    """Repeats `step` until drained."""

    def __init__(self, station: Station, **logged: str) -> None:
        self._station = station
        self._wire = station.wire
        self._pace = station.pace
        self._log = get_logger().bind(**logged)
        self._stopping = asyncio.Event()

    def drain(self) -> None:
        """Ask the loop to begin nothing new and to end what it has."""
        self._stopping.set()

    async def run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                await self.step()
                failures = 0
            except Exception as error:  # noqa: BLE001  # the one broad catch of this runtime
                failures += 1
                await self._recover(error, failures)

    @abstractmethod
    async def step(self) -> None: ...

    async def _recover(self, error: Exception, failures: int) -> None:
        if is_dependency_failure(error):
            self._log.warning("wire_failed", failures=failures, error=type(error).__name__)
        elif not isinstance(error, HandedBack):
            self._log.error("loop_step_failed", failures=failures, exc_info=error)
        await self._pause(self._pace.retry.delay(failures))

    async def _insist(self, call: Callable[[], Awaitable[T]]) -> T:
        """Wait out a failure of something outside: it is never the message's fault."""
        attempt = 0
        while True:
            try:
                return await call()
            except Exception as error:
                if not is_dependency_failure(error):
                    raise
                if self._stopping.is_set():
                    raise HandedBack from error
                attempt += 1
                self._log.warning("dependency_failed", attempt=attempt, error=type(error).__name__)
                await self._pause(self._pace.retry.delay(attempt))

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
