"""Says whether a process lives and whether it should be given work."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from msaas.kernel import Clock, SystemClock
from msaas.telemetry import get_logger

Check = Callable[[], Awaitable[object]]
State = Literal["ok", "failed", "timeout", "starting", "draining"]

_CHECK_TIMEOUT: Final = 1.0
_FRESH_FOR: Final = 1.0


@dataclass(frozen=True, slots=True)
class Report:
    status: State
    checks: Mapping[str, State] = field(default_factory=dict[str, State])


class Health:
    """Runs the checks at once, each within its time; an answer serves every probe of a second.

    A check fails by raising. `draining` is set when the process begins to stop: an event stream
    waits for it beside its events.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        check_timeout: float = _CHECK_TIMEOUT,
        fresh_for: float = _FRESH_FOR,
        clock: Clock | None = None,
    ) -> None:
        self.draining = asyncio.Event()
        self._started = False
        self._checks = dict(checks)
        self._check_timeout = check_timeout
        self._fresh_for = fresh_for
        self._clock = clock or SystemClock()
        self._running = asyncio.Lock()
        self._last: Report | None = None
        self._checked_at = 0.0
        self._log = get_logger()

    def start(self) -> None:
        """Call when the process is able to work: until then it is not ready."""
        self._started = True

    def drain(self) -> None:
        """Not ready any more, and never again."""
        self.draining.set()

    async def report(self) -> Report:
        if self.draining.is_set():
            return Report("draining")
        if not self._started:
            return Report("starting")
        async with self._running:
            if self._last is None or self._clock.monotonic() - self._checked_at >= self._fresh_for:
                self._last = await self._run_checks()
                self._checked_at = self._clock.monotonic()
            return self._last

    async def _run_checks(self) -> Report:
        states = await asyncio.gather(
            *(self._run(name, check) for name, check in self._checks.items())
        )
        healthy = all(state == "ok" for state in states)
        return Report("ok" if healthy else "failed", dict(zip(self._checks, states, strict=True)))

    async def _run(self, name: str, check: Check) -> State:
        try:
            async with asyncio.timeout(self._check_timeout):
                await check()
        except TimeoutError:
            state: State = "timeout"
        except Exception as error:  # noqa: BLE001 - whatever a check raises, it says "not ready"
            self._log.warning("health_check_failed", check=name, error=type(error).__name__)
            state = "failed"
        else:
            state = "ok"
        return state
