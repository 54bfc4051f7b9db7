"""A loop that survives every failure of its steps and ends when drained."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from msaas.kernel import Clock, RetryPolicy, SystemClock
from msaas.messaging.message_metrics import MessageMetrics
from msaas.streams import Broker, StreamPublisher, is_dependency_failure
from msaas.telemetry import get_logger

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerTimings:
    """How long a loop waits, in seconds, and how often an entry may be delivered."""

    block_timeout: float = 1.0
    heartbeat_interval: float = 3.0
    reclaim_after: float = 10.0
    handler_timeout: float = 30.0
    drain_timeout: float = 20.0
    epoch_interval: float = 1.0
    gauge_interval: float = 5.0
    max_deliveries: int = 5
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    @property
    def reclaim_interval(self) -> float:
        return self.reclaim_after / 3

    @property
    def longest_reclaim(self) -> float:
        """Within this time the entries of a dead consumer are in the hands of another one."""
        return self.reclaim_after + self.reclaim_interval + self.block_timeout


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerContext:
    """What all loops of one process share."""

    broker: Broker
    publisher: StreamPublisher
    metrics: MessageMetrics
    process: str
    environment: str
    consumer_name: str
    timings: ConsumerTimings = field(default_factory=ConsumerTimings)
    clock: Clock = field(default_factory=SystemClock)


class DeliveryReleased(Exception):
    """Raised while draining during an outage: entries in flight go back to other consumers."""


class BrokerLoop(ABC):
    """Repeats `step` until drained."""

    def __init__(self, context: ConsumerContext, **log_fields: str) -> None:
        self._context = context
        self._broker = context.broker
        self._timings = context.timings
        self._log = get_logger().bind(**log_fields)
        self._stopping = asyncio.Event()

    def drain(self) -> None:
        """Start nothing new and finish what is in flight."""
        self._stopping.set()

    async def run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                await self.step()
                failures = 0
            except Exception as error:  # noqa: BLE001  # the loop survives any failure of a step
                failures += 1
                await self._recover(error, failures)

    @abstractmethod
    async def step(self) -> None: ...

    async def _recover(self, error: Exception, failures: int) -> None:
        if is_dependency_failure(error):
            self._log.warning("broker_call_failed", failures=failures, error=type(error).__name__)
        elif not isinstance(error, DeliveryReleased):
            self._log.error("loop_step_failed", failures=failures, exc_info=error)
        await self._wait_or_drain(self._timings.retry.delay(failures))

    async def _retry_until_available(self, call: Callable[[], Awaitable[T]]) -> T:
        """Retry while a dependency is unavailable; this never counts against the message."""
        attempt = 0
        while True:
            try:
                return await call()
            except Exception as error:
                if not is_dependency_failure(error):
                    raise
                attempt += 1
                await self._wait_for_dependency(error, attempt)

    async def _wait_for_dependency(self, error: BaseException, attempt: int) -> None:
        """Wait before the next attempt, or release the entries where the process shuts down."""
        if self._stopping.is_set():
            raise DeliveryReleased from error
        self._log.warning("dependency_failed", attempt=attempt, error=type(error).__name__)
        await self._wait_or_drain(self._timings.retry.delay(attempt))

    async def _wait_or_drain(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
