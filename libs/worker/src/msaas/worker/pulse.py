"""Keeps the leases of a process: one task beats for all runs that are under way."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

from msaas.kernel import Clock

BEAT_EVERY = 3.0


class Pulse:
    """Beats while anything runs, and rests otherwise."""

    def __init__(self, beat: Callable[[], Awaitable[None]], clock: Clock) -> None:
        self._beat = beat
        self._clock = clock
        self._runs = 0
        self._beating: asyncio.Task[None] | None = None

    @contextmanager
    def beating(self) -> Generator[None]:
        self._runs += 1
        if self._beating is None:
            self._beating = asyncio.create_task(self._keep_beating(), name="pulse")
        try:
            yield
        finally:
            self._runs -= 1
            if not self._runs:
                self._beating.cancel()
                self._beating = None

    async def _keep_beating(self) -> None:
        while True:
            await self._clock.sleep(BEAT_EVERY)
            await self._beat()
