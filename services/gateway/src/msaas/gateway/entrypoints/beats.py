"""What a process does again and again beside its requests, whatever fails on the way."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from msaas.kernel import MsaasError
from msaas.telemetry import get_logger

Act = Callable[[], Awaitable[None]]


class Beat:
    """Acts every so many seconds, and where asked for once more at the end."""

    def __init__(self, name: str, act: Act, seconds: float, *, at_the_end: bool = False) -> None:
        self.name: Final = name
        self.act = act
        self._at_the_end = at_the_end
        self._seconds = seconds
        self._ending = asyncio.Event()
        self._log = get_logger().bind(beat=name)

    async def run(self) -> None:
        while not self._ending.is_set():
            await self._beat()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._ending.wait()
        if self._at_the_end:
            await self._beat()

    def end(self) -> None:
        self._ending.set()

    async def _beat(self) -> None:
        try:
            await self.act()
        except MsaasError as error:
            self._log.warning("beat_failed", error=error.code)
        except Exception as error:  # noqa: BLE001  # one that fails must not end the process
            self._log.error("beat_failed", exc_info=error)
