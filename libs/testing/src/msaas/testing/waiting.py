"""Waits for a condition instead of sleeping."""
# ruff: noqa: ASYNC109 - a wait that is too long fails the test with a message

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")
_POLL_INTERVAL = 0.01
# Seconds for a part that the test is not about: a machine that pauses for ten must not fail it.
GENEROUS_TIMEOUT = 30.0


@overload
async def wait_until(
    condition: Callable[[], Awaitable[T]], timeout: float = ..., message: str = ...
) -> T: ...


@overload
async def wait_until(condition: Callable[[], T], timeout: float = ..., message: str = ...) -> T: ...


async def wait_until(
    condition: Callable[[], object],
    timeout: float = 60.0,
    message: str = "",
) -> object:
    """Return the first truthy answer of a plain or async condition; fail when none comes."""
    deadline = asyncio.get_running_loop().time() + timeout
    while True:
        answer = condition()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(message or f"waited {timeout:g} s for {_name(condition)}")
        await asyncio.sleep(_POLL_INTERVAL)


def _name(condition: Callable[[], object]) -> str:
    return getattr(condition, "__qualname__", repr(condition))
