"""Hears of a new wire epoch, and remembers to look once a day where there is none."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from msaas.kernel import RetryPolicy
from msaas.telemetry import get_logger

PERIOD: Final = 3600.0
JITTER: Final = RetryPolicy(base=60.0, cap=60.0)


class RepublishScheduler:
    """Which epoch is served, and when, is in the record: every process may ask at any time."""

    def __init__(
        self,
        republish: Callable[[str], Awaitable[None]],
        *,
        period: float = PERIOD,
        jitter: RetryPolicy = JITTER,
    ) -> None:
        self._republish = republish
        self._period = period
        self._jitter = jitter
        self._log = get_logger()
        self._epoch = ""
        self._stopping = asyncio.Event()

    async def notice_epoch(self, epoch: str) -> None:
        """Raise where it could not be served: then it is told again."""
        await self._republish(epoch)
        self._epoch = epoch

    def drain(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._period + self._jitter.delay(1)):
                    await self._stopping.wait()
            if self._epoch and not self._stopping.is_set():
                await self._republish_again()

    async def _republish_again(self) -> None:
        try:
            await self._republish(self._epoch)
        except Exception as error:  # noqa: BLE001  # the next hour tries again
            self._log.warning("events_republish_failed", error=type(error).__name__)
