"""Exports the states of circuit breakers as metrics."""

from collections.abc import Callable, Mapping
from typing import Final

from msaas.kernel import CircuitState
from msaas.telemetry.metrics import Metrics

_GAUGE_VALUES: Final = {CircuitState.CLOSED: 0, CircuitState.HALF_OPEN: 1, CircuitState.OPEN: 2}


def circuit_state_listener(metrics: Metrics) -> Callable[[str, CircuitState], None]:
    """Return the `on_change` callback of a circuit breaker."""
    state = metrics.gauge("circuit_state", "0 closed, 1 half-open, 2 open.", ("target",))
    opened = metrics.counter("circuit_opened_total", "Times a circuit opened.", ("target",))

    def on_change(target: str, now: CircuitState) -> None:
        state.labels(target).set(_GAUGE_VALUES[now])
        opened.labels(target).inc(now is CircuitState.OPEN)

    return on_change


def read_circuit_states(metrics: Metrics) -> Mapping[str, CircuitState]:
    """Return the state of each circuit breaker of this process by target, from the gauge."""
    states = {float(level): state for state, level in _GAUGE_VALUES.items()}
    return {
        sample.labels["target"]: states[sample.value]
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if sample.name == "circuit_state"
    }
