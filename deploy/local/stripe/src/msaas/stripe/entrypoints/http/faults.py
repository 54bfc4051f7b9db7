"""Faults of the API on purpose, and its rate limits."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from msaas.kernel import Clock
from msaas.stripe.application.server import Answer
from msaas.stripe.domain.errors import API, ApiError, rate_limited


class FaultKind(StrEnum):
    STATUS = "status"  # answers without running the request
    LOST_ANSWER = "lost_answer"  # runs the request, then closes the connection
    FAILED_ANSWER = "failed_answer"  # runs the request, then answers with the status
    TIMEOUT = "timeout"  # never runs it, and closes the connection after `seconds`
    SLOW = "slow"  # runs it after `seconds`


class ConnectionClosed(Exception):
    """The client gets no answer."""


@dataclass
class Fault:
    kind: FaultKind
    method: str = ".*"
    path: str = ".*"
    status: int = 500
    seconds: float = 0.0
    remaining: int = 1

    def matches(self, method: str, path: str) -> bool:
        matched = re.fullmatch(self.method, method) and re.fullmatch(self.path, path)
        return self.remaining > 0 and bool(matched)


@dataclass
class Faults:
    planned: list[Fault] = field(default_factory=list[Fault])

    async def run(self, method: str, path: str, run: Callable[[], Answer]) -> Answer:
        fault = next((known for known in self.planned if known.matches(method, path)), None)
        if fault is None:
            return run()
        fault.remaining -= 1
        return await _RUNNERS[fault.kind](fault, run)


async def _status(fault: Fault, _run: Callable[[], Answer]) -> Answer:
    raise _error(fault)


async def _lost_answer(_fault: Fault, run: Callable[[], Answer]) -> Answer:
    run()
    raise ConnectionClosed


async def _failed_answer(fault: Fault, run: Callable[[], Answer]) -> Answer:
    run()
    raise _error(fault)


async def _timeout(fault: Fault, _run: Callable[[], Answer]) -> Answer:
    await asyncio.sleep(fault.seconds)
    raise ConnectionClosed


async def _slow(fault: Fault, run: Callable[[], Answer]) -> Answer:
    await asyncio.sleep(fault.seconds)
    return run()


def _error(fault: Fault) -> ApiError:
    if fault.status == 429:  # noqa: PLR2004 - HTTP's too many requests
        return rate_limited()
    return ApiError("An error occurred on purpose.", status=fault.status, error_type=API)


_RUNNERS: Final[dict[FaultKind, Callable[[Fault, Callable[[], Answer]], Awaitable[Answer]]]] = {
    FaultKind.STATUS: _status,
    FaultKind.LOST_ANSWER: _lost_answer,
    FaultKind.FAILED_ANSWER: _failed_answer,
    FaultKind.TIMEOUT: _timeout,
    FaultKind.SLOW: _slow,
}


class RateLimit:
    """A bucket that holds one second's requests; a rate of 0 limits nothing."""

    def __init__(self, per_second: int, clock: Clock) -> None:
        self.per_second = per_second
        self._clock = clock
        self._tokens = float(per_second)
        self._at = clock.monotonic()

    def take(self) -> None:
        if self.per_second == 0:
            return
        now = self._clock.monotonic()
        gained = (now - self._at) * self.per_second
        self._tokens = min(float(self.per_second), self._tokens + gained)
        self._at = now
        if self._tokens < 1:
            raise rate_limited()
        self._tokens -= 1
