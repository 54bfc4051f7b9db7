"""Isolates tests: what one may not touch, has to restore, or must not leave behind."""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, NamedTuple

import pytest

_BLOCKED_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_LOOP_TURNS = 50
_SET_BY_PYTEST = "PYTEST_CURRENT_TEST"


class _LoggerState(NamedTuple):
    level: int
    propagate: bool
    disabled: bool
    handlers: tuple[logging.Handler, ...]


class SocketBlocked(Exception):
    """A test under `unit/` used the network: it belongs under `integration/`."""


def block_sockets(patch: pytest.MonkeyPatch) -> None:
    """Refuse internet addresses; asyncio's own socket pairs still work."""
    for method in ("connect", "connect_ex", "bind"):
        patch.setattr(socket.socket, method, _refusing(getattr(socket.socket, method)))


def _refusing(original: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in _BLOCKED_FAMILIES:
            raise SocketBlocked(f"{SocketBlocked.__doc__} Address: {address}")
        return original(self, address)

    return guarded


@asynccontextmanager
async def fail_on_leaked_tasks() -> AsyncGenerator[None]:
    before = asyncio.all_tasks()
    yield
    # Cancelled tasks, closing transports and abandoned generators need some turns to be gone.
    for _ in range(_LOOP_TURNS):
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        names = sorted(f"{task.get_name()} {task.get_coro()}" for task in left)
        pytest.fail(f"tasks left behind: {names}", pytrace=False)


@contextmanager
def restored_process_state() -> Generator[None]:
    """Restore the environment, the working folder and logging, however the block ends."""
    variables, folder = dict(os.environ), os.getcwd()  # noqa: PTH109 - restored as it is
    loggers, hook = {logger: _read_logger(logger) for logger in _list_loggers()}, sys.excepthook
    try:
        yield
    finally:
        sys.excepthook = hook
        for logger in _list_loggers():
            _restore_logger(logger, loggers.get(logger))
        variables.pop(_SET_BY_PYTEST, None)
        for name in os.environ.keys() - variables.keys() - {_SET_BY_PYTEST}:
            del os.environ[name]
        os.environ.update(variables)
        with suppress(FileNotFoundError):  # the folder was temporary
            os.chdir(folder)


def _list_loggers() -> list[logging.Logger]:
    named = logging.root.manager.loggerDict.values()
    return [logging.root, *(logger for logger in named if isinstance(logger, logging.Logger))]


def _read_logger(logger: logging.Logger) -> _LoggerState:
    return _LoggerState(logger.level, logger.propagate, logger.disabled, tuple(logger.handlers))


def _restore_logger(logger: logging.Logger, state: _LoggerState | None) -> None:
    """Undo what a test, or a server that ran in it, has set; a logger without a state is new."""
    if state is None:  # importing a library adds handlers that do nothing
        silent = (each for each in logger.handlers if isinstance(each, logging.NullHandler))
        state = _LoggerState(logging.NOTSET, propagate=True, disabled=False, handlers=(*silent,))
    logger.handlers[:] = state.handlers
    logger.propagate, logger.disabled = state.propagate, state.disabled
    if logger.level != state.level:
        logger.setLevel(state.level)  # also clears what loggers below it have cached
