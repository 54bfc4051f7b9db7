"""Stops calling a target that keeps failing, and probes with one call whether it has recovered."""

from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Final, NamedTuple

from msaas.kernel.clock import Clock
from msaas.kernel.errors import CircuitOpen, MsaasError

_MAX_SLOW_RATIO: Final = 0.05  # p95 is over its target exactly when more than 5 % of calls are


class CircuitState(StrEnum):
    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When to open: consecutive failures, or over `window` seconds a failure ratio or a slow p95.

    Ratio and p95 count from `min_calls` calls in the window on.
    """

    consecutive_failures: int = 5
    failure_ratio: float | None = None
    window: float = 30.0
    min_calls: int = 20
    p95_target: float | None = None
    open_seconds: float = 30.0


class _Call(NamedTuple):
    generation: int
    started: float


class _Outcome(NamedTuple):
    at: float
    failed: bool
    slow: bool


# Tasks share a breaker: each keeps the stack of its own calls, the innermost last.
_calls: ContextVar[tuple[_Call, ...]] = ContextVar("breaker_calls", default=())


class Breaker:
    """`async with breaker: …` around each call of one target, with the call's timeout inside.

    A MsaasError that is not retryable shows that the target answered, and does not count.
    A cancelled call does not count either. `on_change` is also called with the first state.
    """

    def __init__(
        self,
        target: str,
        policy: BreakerPolicy,
        clock: Clock,
        on_change: Callable[[str, CircuitState], None] | None = None,
    ) -> None:
        self.target: Final = target
        self._policy = policy
        self._clock = clock
        self._on_change = on_change
        self._generation = 0
        self._retry_at = 0.0
        self._set_state(CircuitState.CLOSED)

    @property
    def state(self) -> CircuitState:
        return self._state

    async def __aenter__(self) -> None:
        now = self._clock.monotonic()
        if self._state is not CircuitState.CLOSED:
            self._start_probe(now)
        _calls.set((*_calls.get(), _Call(self._generation, now)))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        *outer, call = _calls.get()
        _calls.set(tuple(outer))
        if call.generation != self._generation:
            return  # the state has changed since the call began
        if error is None or isinstance(error, Exception):
            self._record_outcome(call, failed=_is_failure(error))
        elif self._state is CircuitState.HALF_OPEN:
            self._retry_at = call.started  # the next caller probes instead

    def _start_probe(self, now: float) -> None:
        if now < self._retry_at:
            raise CircuitOpen(target=self.target, retry_after=self._retry_at - now)
        # A probe that hangs is replaced after `open_seconds`.
        self._retry_at = now + self._policy.open_seconds
        self._set_state(CircuitState.HALF_OPEN)

    def _record_outcome(self, call: _Call, *, failed: bool) -> None:
        now = self._clock.monotonic()
        if self._state is CircuitState.HALF_OPEN:
            self._open(now) if failed else self._set_state(CircuitState.CLOSED)
            return
        self._consecutive_failures = self._consecutive_failures + 1 if failed else 0
        self._add_to_window(now, failed=failed, seconds=now - call.started)
        if self._consecutive_failures >= self._policy.consecutive_failures or self._is_degraded():
            self._open(now)

    def _add_to_window(self, now: float, *, failed: bool, seconds: float) -> None:
        target = self._policy.p95_target
        if self._policy.failure_ratio is None and target is None:
            return
        slow = target is not None and seconds > target
        self._outcomes.append(_Outcome(now, failed, slow))
        self._failed += failed
        self._slow += slow
        while self._outcomes[0].at <= now - self._policy.window:
            expired = self._outcomes.popleft()
            self._failed -= expired.failed
            self._slow -= expired.slow

    def _is_degraded(self) -> bool:
        calls = len(self._outcomes)
        if calls < max(self._policy.min_calls, 1):
            return False
        failing = (
            self._policy.failure_ratio is not None
            and self._failed / calls >= self._policy.failure_ratio
        )
        return failing or self._slow / calls > _MAX_SLOW_RATIO

    def _open(self, now: float) -> None:
        self._retry_at = now + self._policy.open_seconds
        self._set_state(CircuitState.OPEN)

    def _set_state(self, state: CircuitState) -> None:
        self._state = state
        self._generation += 1
        self._consecutive_failures = 0
        self._outcomes: deque[_Outcome] = deque()
        self._failed = self._slow = 0
        if self._on_change:
            self._on_change(self.target, state)


def _is_failure(error: Exception | None) -> bool:
    return error.retryable if isinstance(error, MsaasError) else error is not None
