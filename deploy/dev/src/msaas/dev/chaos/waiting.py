"""Waits for a condition; the caller bounds the time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

_POLL_INTERVAL: Final = 0.1


async def wait_until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    while True:
        answer = condition()
        if answer if isinstance(answer, bool) else await answer:
            return
        await asyncio.sleep(_POLL_INTERVAL)
