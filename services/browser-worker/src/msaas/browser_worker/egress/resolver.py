"""Resolves host names in threads of its own.

A name without an answer blocks its thread until the system's timeout, long after its page was
closed. In the event loop's small thread pool it would delay everything else.
"""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread
from typing import Final

_MAX_CONCURRENT: Final = 128
_AddressesFuture = asyncio.Future[Sequence[str]]


class Resolver:
    def __init__(self, max_concurrent: int = _MAX_CONCURRENT) -> None:
        self._slots = asyncio.Semaphore(max_concurrent)

    async def resolve(self, host: str) -> Sequence[str]:
        """Return the host's addresses; raises the errors of `getaddrinfo`."""
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        future: _AddressesFuture = loop.create_future()
        # A daemon: the process does not wait for it at exit.
        Thread(
            target=self._resolve_in_thread, args=(loop, host, future), daemon=True, name="lookup"
        ).start()
        return await future

    def _resolve_in_thread(
        self, loop: asyncio.AbstractEventLoop, host: str, future: _AddressesFuture
    ) -> None:
        result: Sequence[str] | Exception
        try:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            result = [str(address[0]) for *_, address in answers]
        except (OSError, ValueError) as error:
            result = error
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(self._set_result, future, result)

    def _set_result(self, future: _AddressesFuture, result: Sequence[str] | Exception) -> None:
        self._slots.release()
        if future.done():  # the caller was cancelled
            return
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
