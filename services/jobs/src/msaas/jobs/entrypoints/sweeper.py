"""The sweeper's loop: every second, but not before everybody had time to be heard again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from msaas.jobs.domain.reports import LEASE
from msaas.kernel import Clock, DependencyUnavailable
from msaas.telemetry import get_logger

PERIOD: Final = 1.0


class Sweeper:
    """Silence counts only where speaking was possible: one lease long after the wire was away."""

    def __init__(
        self,
        looks: Sequence[Callable[[], Awaitable[None]]],
        ping: Callable[[], Awaitable[object]],
        clock: Clock,
        *,
        period: float = PERIOD,
        quiet: float = LEASE.total_seconds(),
    ) -> None:
        self._looks = looks
        self._ping = ping
        self._clock = clock
        self._period = period
        self._quiet = quiet
        self._log = get_logger()
        self._stopping = asyncio.Event()
        self._judge_at = clock.monotonic() + quiet

    async def notice_epoch(self, _epoch: str) -> None:
        self._keep_quiet()

    def drain(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        self._keep_quiet()
        while not self._stopping.is_set():
            await self.step()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._period):
                    await self._stopping.wait()

    async def step(self) -> None:
        try:
            await self._ping()
            if self._clock.monotonic() >= self._judge_at:
                for look in self._looks:
                    await look()
        except DependencyUnavailable as error:
            self._keep_quiet()
            self._log.warning("sweep_failed", error=type(error).__name__)
        except Exception as error:  # noqa: BLE001  # the loop outlives whatever a sweep runs into
            self._log.error("sweep_failed", exc_info=error)

    def _keep_quiet(self) -> None:
        self._judge_at = self._clock.monotonic() + self._quiet
