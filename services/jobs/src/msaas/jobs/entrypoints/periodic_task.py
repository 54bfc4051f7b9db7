"""A loop that takes a few looks every so often, each by itself."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from msaas.kernel import DependencyUnavailable
from msaas.telemetry import get_logger

PERIOD: Final = 1.0

Check = Callable[[], Awaitable[None]]


class PeriodicTask:
    def __init__(self, checks: Sequence[Check], *, period: float = PERIOD) -> None:
        self._checks = checks
        self._period = period
        self._log = get_logger()
        self._stopping = asyncio.Event()

    def drain(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        while not self._stopping.is_set():
            await self.step()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._period):
                    await self._stopping.wait()

    async def step(self) -> None:
        for look in self._checks:
            await self._run_check(look)

    async def _run_check(self, check: Check) -> bool:
        """Tell whether everything outside answered; what fails keeps no other from looking."""
        name = getattr(check, "__name__", type(check).__name__)
        try:
            await check()
        except DependencyUnavailable as error:
            self._log.warning("periodic_task_failed", look=name, error=type(error).__name__)
            return False
        except Exception as error:  # noqa: BLE001  # the loop outlives whatever a look runs into
            self._log.error("periodic_task_failed", look=name, exc_info=error)
        return True
