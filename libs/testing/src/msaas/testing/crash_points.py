"""Crashes at one call of one method: before or after it took effect."""

import functools
import inspect
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Literal, NoReturn, TypeVar, cast

T = TypeVar("T")
When = Literal["before", "after"]
_KILLED = 137


class Crash(BaseException):
    """Not an Exception, so that no handler survives the simulated end of the process."""


def with_crash(target: T, method: str, when: When = "before", *, on_call: int = 1) -> T:
    """Return `target` with a method that raises Crash at its `on_call`-th call."""
    return cast("T", _CrashPoint(target, method, when, on_call, _raise))


def with_process_exit(target: T, method: str, when: When = "before", *, on_call: int = 1) -> T:
    """Return `target` with a method that ends this process, as kill -9 would."""
    return cast("T", _CrashPoint(target, method, when, on_call, _exit))


def _raise() -> NoReturn:
    raise Crash


def _exit() -> NoReturn:
    os._exit(_KILLED)


class _CrashPoint:
    """Wraps an adapter; all other methods pass through unchanged."""

    def __init__(
        self, target: object, method: str, when: When, on_call: int, crash: Callable[[], NoReturn]
    ) -> None:
        getattr(target, method)  # fail at once for an unknown method
        self._target = target
        self._method = method
        self._when = when
        self._calls_left = on_call
        self._crash = crash

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        return self._armed(found) if name == self._method else found

    def _armed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        async def crashing_async(*args: Any, **kwargs: Any) -> Any:
            with self._crash_point():
                return await call(*args, **kwargs)

        @functools.wraps(call)
        def crashing(*args: Any, **kwargs: Any) -> Any:
            with self._crash_point():
                return call(*args, **kwargs)

        return crashing_async if inspect.iscoroutinefunction(call) else crashing

    @contextmanager
    def _crash_point(self) -> Generator[None]:
        self._calls_left -= 1
        is_due = self._calls_left == 0
        if is_due and self._when == "before":
            self._crash()
        yield
        if is_due and self._when == "after":
            self._crash()
