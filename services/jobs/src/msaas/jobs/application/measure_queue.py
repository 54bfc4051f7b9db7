"""Measures the queue for each task type, as often as that is cheap."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple, Protocol

from msaas.kernel import Clock
from msaas.telemetry import Metrics

INTERVAL: Final = timedelta(seconds=1)
_MAX_LOAD_DIVISOR: Final = 20
"""Measuring takes at most one part in so many of a connection's time."""


class QueueMeasurement(NamedTuple):
    """The queue of one task type; the medians are of the recent past."""

    task_type: str
    waiting: int
    running: int
    median_wait_ms: int | None
    median_run_ms: int | None
    is_full: bool


class QueueStats(Protocol):
    async def measure(self, interval: timedelta) -> Sequence[QueueMeasurement] | None: ...


class MeasureQueueTask:
    """Counts a backlog less often if counting it takes long."""

    def __init__(self, stats: QueueStats, metrics: Metrics, clock: Clock) -> None:
        self._stats = stats
        self._clock = clock
        self._not_before = 0.0
        self._waiting = metrics.gauge(
            "msaas_jobs_waiting", "Jobs that are due and not dispatched.", ("task_type",)
        )

    async def __call__(self) -> None:
        began = self._clock.monotonic()
        if began < self._not_before:
            return
        measured = await self._stats.measure(INTERVAL) or ()
        now = self._clock.monotonic()
        self._not_before = now + _MAX_LOAD_DIVISOR * (now - began)
        for measurement in measured:
            self._waiting.labels(measurement.task_type).set(measurement.waiting)
