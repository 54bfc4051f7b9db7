"""Logs and counts slow statements: their text, never their values."""

from typing import Final

from msaas.telemetry import Metrics, get_logger

_TEXT_LIMIT: Final = 2_000


class SlowQueryMonitor:
    def __init__(self, threshold: float, metrics: Metrics) -> None:
        self._threshold = threshold
        self._count = metrics.counter("db_slow_queries_total", "Statements over the slow limit.")
        self._log = get_logger()

    def observe(self, sql: str, seconds: float) -> None:
        if seconds < self._threshold:
            return
        self._count.inc()
        self._log.warning("slow_query", sql=sql[:_TEXT_LIMIT], duration_ms=round(seconds * 1000, 1))
