"""Logs, traces and metrics in one shape for every process."""

from msaas.telemetry.circuits import circuit_metrics, read_circuits
from msaas.telemetry.logs import bind, configure_logging, get_logger
from msaas.telemetry.metrics import MetricMisnamed, Metrics
from msaas.telemetry.redaction import redact, redact_text
from msaas.telemetry.tracing import (
    configure_tracing,
    current_traceparent,
    instrument,
    is_sampled,
    shutdown_tracing,
    span,
    start_tracing,
)

__all__ = [
    "MetricMisnamed",
    "Metrics",
    "bind",
    "circuit_metrics",
    "configure_logging",
    "configure_tracing",
    "current_traceparent",
    "get_logger",
    "instrument",
    "is_sampled",
    "read_circuits",
    "redact",
    "redact_text",
    "shutdown_tracing",
    "span",
    "start_tracing",
]
