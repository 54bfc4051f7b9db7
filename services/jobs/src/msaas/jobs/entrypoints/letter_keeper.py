"""The loop that looks after dead letters: every few seconds, each look by itself."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from msaas.kernel import DependencyUnavailable
from msaas.telemetry import get_logger

PERIOD: Final = 2.0


class LetterKeeper:
    def __init__(
        self, looks: Sequence[Callable[[], Awaitable[None]]], *, period: float = PERIOD
    ) -> None:
        self._looks = looks
        self._period = period
        self._log = get_logger()
        self._stopping = asyncio.Event()

    def drain(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        while not self._stopping.is_set():
            for look in self._looks:
                await self._look(look)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._period):
                    await self._stopping.wait()

    async def _look(self, look: Callable[[], Awaitable[None]]) -> None:
        name = type(look).__name__
        try:
            await look()
        except DependencyUnavailable as error:
            self._log.warning("letters_look_failed", look=name, error=type(error).__name__)
        except Exception as error:  # noqa: BLE001  # the loop outlives whatever a look runs into
            self._log.error("letters_look_failed", look=name, exc_info=error)
