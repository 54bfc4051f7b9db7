"""Looks names up in threads of their own.

A name that nobody answers for holds its thread until the system gives up, long after its page has
gone. The loop's own few threads are for everything else: doors and pages would wait behind it.
"""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread
from typing import Final

_AT_ONCE: Final = 128
_Answer = asyncio.Future[Sequence[str]]


class Lookups:
    def __init__(self, at_once: int = _AT_ONCE) -> None:
        self._room = asyncio.Semaphore(at_once)

    async def find(self, host: str) -> Sequence[str]:
        """Return its addresses; raises what `getaddrinfo` raises."""
        await self._room.acquire()
        loop = asyncio.get_running_loop()
        answer: _Answer = loop.create_future()
        # A daemon: the end of the process does not wait for it either.
        Thread(target=self._ask, args=(loop, host, answer), daemon=True, name="lookup").start()
        return await answer

    def _ask(self, loop: asyncio.AbstractEventLoop, host: str, answer: _Answer) -> None:
        found: Sequence[str] | Exception
        try:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found = [str(address[0]) for *_, address in answers]
        except (OSError, UnicodeError) as error:
            found = error
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(self._settle, answer, found)

    def _settle(self, answer: _Answer, found: Sequence[str] | Exception) -> None:
        self._room.release()
        if answer.done():  # whoever asked has given up
            return
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)
