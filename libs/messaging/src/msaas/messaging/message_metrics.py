"""Metrics of messages, updated once for each batch."""

import time
from collections.abc import Generator
from contextlib import contextmanager

from msaas.streams import StreamStats
from msaas.telemetry import Metrics


class MessageMetrics:
    def __init__(self, metrics: Metrics) -> None:
        self._messages = metrics.counter(
            "msaas_messages_total", "Messages by outcome.", ("topic", "outcome")
        )
        self._duration = metrics.histogram(
            "msaas_message_handle_duration_seconds", "One handler call.", ("topic", "outcome")
        )
        self._gauges = [
            metrics.gauge(name, text, ("topic", "group"))
            for name, text in (
                ("msaas_topic_depth", "Entries on the stream."),
                ("msaas_topic_lag", "Entries not delivered yet."),
                ("msaas_topic_pending", "Entries being handled."),
                ("msaas_topic_oldest_pending_seconds", "Age of the oldest pending entry."),
                ("msaas_topic_dlq_depth", "Dead letters of both kinds."),
            )
        ]

    def count(self, topic: str, outcome: str, amount: int = 1) -> None:
        self._messages.labels(topic, outcome).inc(amount)

    @contextmanager
    def time_handler(self, topic: str) -> Generator[None]:
        started, outcome = time.perf_counter(), "failed"
        try:
            yield
            outcome = "handled"
        finally:
            self._duration.labels(topic, outcome).observe(time.perf_counter() - started)

    def set_topic_gauges(self, topic: str, group: str, stats: StreamStats, dead: int) -> None:
        values = (stats.depth, stats.lag, stats.pending, stats.oldest_pending_seconds, dead)
        for gauge, value in zip(self._gauges, values, strict=True):
            gauge.labels(topic, group).set(value)
