"""What is counted of messages, once for each batch rather than for each message."""

import time
from collections.abc import Generator
from contextlib import contextmanager

from msaas.streams import StreamStats
from msaas.telemetry import Metrics

_LABELS = ("topic", "group")


class MessageMetrics:
    def __init__(self, metrics: Metrics) -> None:
        self._messages = metrics.counter(
            "msaas_messages_total", "Messages by what became of them.", ("topic", "outcome")
        )
        self._duration = metrics.histogram(
            "msaas_message_handle_duration_seconds", "One handler call.", ("topic", "outcome")
        )
        self._depth = metrics.gauge("msaas_topic_depth", "Entries on the stream.", _LABELS)
        self._lag = metrics.gauge("msaas_topic_lag", "Entries nobody has taken.", _LABELS)
        self._pending = metrics.gauge("msaas_topic_pending", "Entries in hand.", _LABELS)
        self._oldest = metrics.gauge(
            "msaas_topic_oldest_pending_seconds", "Age of the oldest entry in hand.", _LABELS
        )
        self._dead = metrics.gauge("msaas_topic_dlq_depth", "Dead letters of both kinds.", _LABELS)

    def count(self, topic: str, outcome: str, amount: int = 1) -> None:
        self._messages.labels(topic, outcome).inc(amount)

    @contextmanager
    def time_handler(self, topic: str) -> Generator[None]:
        started = time.perf_counter()
        outcome = "failed"
        try:
            yield
            outcome = "handled"
        finally:
            self._duration.labels(topic, outcome).observe(time.perf_counter() - started)

    def set_topic_gauges(
        self, topic: str, group: str, stats: StreamStats, dead_letters: int
    ) -> None:
        self._depth.labels(topic, group).set(stats.depth)
        self._lag.labels(topic, group).set(stats.lag)
        self._pending.labels(topic, group).set(stats.pending)
        self._oldest.labels(topic, group).set(stats.oldest_pending_seconds)
        self._dead.labels(topic, group).set(dead_letters)
