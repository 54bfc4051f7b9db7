"""Tells log and metrics of statements that took too long: their text, never their values."""

from typing import Final

from msaas.telemetry import Metrics, get_logger

_TEXT_LIMIT: Final = 2_000


class SlowQueries:
    def __init__(self, slow_after: float, metrics: Metrics) -> None:
        self._slow_after = slow_after
        self._seen = metrics.counter("db_slow_queries_total", "Statements over the slow limit.")
        self._log = get_logger()

    def observe(self, sql: str, seconds: float) -> None:
        if seconds < self._slow_after:
            return
        self._seen.inc()
        self._log.warning("slow_query", sql=sql[:_TEXT_LIMIT], duration_ms=round(seconds * 1000, 1))
