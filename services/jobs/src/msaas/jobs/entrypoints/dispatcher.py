"""The dispatcher's loop: at once when there is reason to, on a timer otherwise."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from msaas.jobs.application.ports import TickResult
from msaas.kernel import MsaasError, RetryPolicy
from msaas.telemetry import get_logger

PERIOD: Final = 0.5
_WHEN_BUSY: Final = RetryPolicy(base=0.02, cap=0.1, attempts=None)
_WHEN_FAILED: Final = RetryPolicy(base=0.1, cap=3.0, attempts=None)


class Dispatcher:
    """Nudges while a tick runs are one nudge; several dispatchers of a fleet take turns."""

    def __init__(
        self, dispatch: Callable[[], Awaitable[TickResult]], *, period: float = PERIOD
    ) -> None:
        self._dispatch = dispatch
        self._period = period
        self._log = get_logger()
        self._requested = asyncio.Event()
        self._stopping = asyncio.Event()
        self._busy = 0
        self._failures = 0
        self._has_waiting = True

    def request_dispatch(self) -> None:
        """Say that there may be something to pick: a job came in, a slot came free."""
        self._requested.set()

    def notify_slot_freed(self) -> None:
        """Say that a slot came free: news only where somebody was left waiting for one."""
        if self._has_waiting:
            self.request_dispatch()

    def drain(self) -> None:
        """End after the tick that is under way."""
        self._stopping.set()
        self._requested.set()

    async def run(self) -> None:
        while not self._stopping.is_set():
            self._requested.clear()
            await self._wait(await self._step())

    async def _step(self) -> tuple[asyncio.Event, float]:
        """Tick once; answer what may end the rest that follows, and when it ends by itself."""
        try:
            tick = await self._dispatch()
        except Exception as error:  # noqa: BLE001  # the loop outlives whatever a tick runs into
            self._failures += 1
            known = isinstance(error, MsaasError)
            self._log.warning(
                "dispatch_failed",
                failures=self._failures,
                error=type(error).__name__,
                exc_info=None if known else error,
            )
            # However many jobs come in: what is down is not asked more often for that.
            return self._stopping, _WHEN_FAILED.delay(self._failures)
        self._failures = 0
        self._has_waiting = tick.leaves_waiting
        self._busy = self._busy + 1 if tick.is_busy else 0
        if tick.is_busy:
            # The other one may have looked before our news was committed.
            return self._stopping, _WHEN_BUSY.delay(self._busy)
        return self._requested, 0.0 if tick.has_more else self._period

    async def _wait(self, until: tuple[asyncio.Event, float]) -> None:
        event, seconds = until
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
