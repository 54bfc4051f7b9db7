"""Extends the leases of a process: one task sends heartbeats for all active runs."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

from msaas.kernel import Clock

HEARTBEAT_INTERVAL = 3.0


class HeartbeatLoop:
    """Sends heartbeats while at least one run is active."""

    def __init__(self, send_heartbeats: Callable[[], Awaitable[None]], clock: Clock) -> None:
        self._send_heartbeats = send_heartbeats
        self._clock = clock
        self._active_runs = 0
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def run_active(self) -> Generator[None]:
        self._active_runs += 1
        if self._task is None:
            self._task = asyncio.create_task(self._loop(), name="heartbeat-loop")
        try:
            yield
        finally:
            self._active_runs -= 1
            if not self._active_runs:
                self._task.cancel()
                self._task = None

    async def _loop(self) -> None:
        while True:
            await self._clock.sleep(HEARTBEAT_INTERVAL)
            await self._send_heartbeats()
