"""What a process does again and again beside its requests, whatever fails on the way."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from msaas.kernel import MsaasError
from msaas.telemetry import get_logger

Action = Callable[[], Awaitable[None]]


class PeriodicTask:
    """Acts every so many seconds, and where asked for once more at the end."""

    def __init__(
        self, name: str, action: Action, seconds: float, *, run_on_stop: bool = False
    ) -> None:
        self.name: Final = name
        self.action = action
        self._run_on_stop = run_on_stop
        self._seconds = seconds
        self._stopping = asyncio.Event()
        self._log = get_logger().bind(task=name)

    async def run(self) -> None:
        while not self._stopping.is_set():
            await self._run_once()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._stopping.wait()
        if self._run_on_stop:
            await self._run_once()

    def stop(self) -> None:
        self._stopping.set()

    async def _run_once(self) -> None:
        try:
            await self.action()
        except MsaasError as error:
            self._log.warning("periodic_task_failed", error=error.code)
        except Exception as error:  # noqa: BLE001  # one that fails must not end the process
            self._log.error("periodic_task_failed", exc_info=error)
