"""The readiness of a process: the results of its health checks."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from msaas.kernel import Clock, SystemClock
from msaas.telemetry import get_logger

HealthCheck = Callable[[], Awaitable[object]]
HealthState = Literal["ok", "failed", "timeout", "starting", "draining"]

_CHECK_TIMEOUT: Final = 1.0
_CACHE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class HealthReport:
    status: HealthState
    checks: Mapping[str, HealthState] = field(default_factory=dict[str, HealthState])


class Health:
    """Runs the checks concurrently, each with a timeout; a report is cached for a second.

    A check fails by raising. `draining` is set when the process begins to stop.
    """

    def __init__(
        self,
        checks: Mapping[str, HealthCheck],
        *,
        check_timeout: float = _CHECK_TIMEOUT,
        cache_seconds: float = _CACHE_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        self.draining = asyncio.Event()
        self._started = False
        self._checks = dict(checks)
        self._check_timeout = check_timeout
        self._cache_seconds = cache_seconds
        self._clock = clock or SystemClock()
        self._lock = asyncio.Lock()
        self._cached_report: HealthReport | None = None
        self._checked_at = 0.0
        self._log = get_logger()

    def start(self) -> None:
        """Make the process ready; call it when startup is complete."""
        self._started = True

    def drain(self) -> None:
        """Make the process unready for good."""
        self.draining.set()

    async def report(self) -> HealthReport:
        if self.draining.is_set():
            return HealthReport("draining")
        if not self._started:
            return HealthReport("starting")
        async with self._lock:
            if (
                self._cached_report is None
                or self._clock.monotonic() - self._checked_at >= self._cache_seconds
            ):
                self._cached_report = await self._run_checks()
                self._checked_at = self._clock.monotonic()
            return self._cached_report

    async def _run_checks(self) -> HealthReport:
        states = await asyncio.gather(
            *(self._run(name, check) for name, check in self._checks.items())
        )
        healthy = all(state == "ok" for state in states)
        return HealthReport(
            "ok" if healthy else "failed", dict(zip(self._checks, states, strict=True))
        )

    async def _run(self, name: str, check: HealthCheck) -> HealthState:
        try:
            async with asyncio.timeout(self._check_timeout):
                await check()
        except TimeoutError:
            state: HealthState = "timeout"
        except Exception as error:  # noqa: BLE001 - any error means "not ready"
            self._log.warning("health_check_failed", check=name, error=type(error).__name__)
            state = "failed"
        else:
            state = "ok"
        return state
