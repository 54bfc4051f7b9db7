"""Ids, clock, errors, retry policy and circuit breaker that every unit builds on."""

from msaas.kernel.breaker import Breaker, BreakerPolicy, CircuitState
from msaas.kernel.clock import Clock, SystemClock, to_milliseconds
from msaas.kernel.errors import (
    CircuitOpen,
    CommandTimeout,
    DependencyUnavailable,
    ErrorKind,
    MsaasError,
    Overloaded,
)
from msaas.kernel.ids import derive_id, new_id
from msaas.kernel.periodic import PeriodicTask, ReportFailure, Wait
from msaas.kernel.retry import RetryPolicy

__all__ = [
    "Breaker",
    "BreakerPolicy",
    "CircuitOpen",
    "CircuitState",
    "Clock",
    "CommandTimeout",
    "DependencyUnavailable",
    "ErrorKind",
    "MsaasError",
    "Overloaded",
    "PeriodicTask",
    "ReportFailure",
    "RetryPolicy",
    "SystemClock",
    "Wait",
    "derive_id",
    "new_id",
    "to_milliseconds",
]
