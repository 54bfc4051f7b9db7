"""Counts the calls of models; its labels come from settings and from lists, never from answers."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from msaas.agents.domain.models import TokenUsage
from msaas.telemetry import Metrics

_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120)
_OUTCOMES: Final = frozenset(
    {"ok", "length", "refused", "invalid", "cancelled", "circuit_open", "connection_lost", "cut"}
    | {"invalid_request", "malformed", "overloaded", "rate_limited", "server_error", "timeout"}
    | {"too_long", "unreachable", "conflict"}
    | {f"status_{status}" for status in (400, 401, 402, 403, 404, 413, 422)}
)


@dataclass
class _Measured:
    outcome: str = "error"


class ModelMetrics:
    def __init__(self, metrics: Metrics) -> None:
        self._calls = metrics.counter(
            "agents_llm_calls_total",
            "Requests to models by how they ended.",
            ("provider", "model", "outcome"),
        )
        self._tokens = metrics.counter(
            "agents_llm_tokens_total", "Tokens, at most where unknown.", ("provider", "direction")
        )
        self._cost = metrics.counter(
            "agents_llm_cost_usd_total", "Cost by the table of prices.", ("provider",)
        )
        self._seconds = metrics.histogram(
            "agents_llm_call_seconds", "Time of a request.", ("provider",), buckets=_BUCKETS
        )

    @contextmanager
    def measured(self, provider: str, model: str) -> Generator[_Measured]:
        measured = _Measured()
        try:
            with self._seconds.labels(provider).time():
                yield measured
        finally:
            outcome = measured.outcome if measured.outcome in _OUTCOMES else "error"
            self._calls.labels(provider, model, outcome).inc()

    def count_usage(self, provider: str, usage: TokenUsage, cost_micro_usd: int) -> None:
        self._tokens.labels(provider, "in").inc(usage.tokens_in)
        self._tokens.labels(provider, "out").inc(usage.tokens_out)
        self._cost.labels(provider).inc(cost_micro_usd / 1e6)
