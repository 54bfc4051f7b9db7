"""Logs, traces and metrics for every process, with secrets redacted."""

from msaas.telemetry.circuit_breakers import circuit_state_listener, read_circuit_states
from msaas.telemetry.logs import bind, configure_logging, get_logger
from msaas.telemetry.metrics import InvalidMetric, Metrics
from msaas.telemetry.redaction import redact, redact_text
from msaas.telemetry.task_failures import log_task_failure
from msaas.telemetry.tracing import (
    batch_span,
    configure_tracing,
    current_traceparent,
    instrument,
    is_sampled,
    shutdown_tracing,
    span,
    start_tracing,
)

__all__ = [
    "InvalidMetric",
    "Metrics",
    "batch_span",
    "bind",
    "circuit_state_listener",
    "configure_logging",
    "configure_tracing",
    "current_traceparent",
    "get_logger",
    "instrument",
    "is_sampled",
    "log_task_failure",
    "read_circuit_states",
    "redact",
    "redact_text",
    "shutdown_tracing",
    "span",
    "start_tracing",
]
