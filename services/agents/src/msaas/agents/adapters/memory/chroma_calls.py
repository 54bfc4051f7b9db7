"""One way to call Chroma: a deadline, a circuit breaker, and one error."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from msaas.agents.domain.errors import MemoryUnavailable
from msaas.kernel import (
    Breaker,
    BreakerPolicy,
    CircuitOpen,
    DependencyUnavailable,
    SystemClock,
)
from msaas.telemetry import Metrics, circuit_state_listener

TARGET: Final = "chroma"
T = TypeVar("T")


class ChromaCalls:
    def __init__(self, metrics: Metrics, seconds: float) -> None:
        self._seconds = seconds
        self._breaker = Breaker(
            TARGET, BreakerPolicy(), SystemClock(), circuit_state_listener(metrics)
        )

    async def run(self, call: Awaitable[T], *, seconds: float | None = None) -> T:
        """Await the call; its error may name a folder or an address, which stay here."""
        try:
            async with self._breaker:
                try:
                    async with asyncio.timeout(seconds or self._seconds):
                        return await call
                except Exception as error:  # noqa: BLE001  # Chroma raises whatever failed inside
                    raise DependencyUnavailable(
                        target=TARGET, reason=type(error).__name__
                    ) from None
        except CircuitOpen:
            _discard(call)
            raise MemoryUnavailable(target=TARGET, reason="circuit_open") from None
        except DependencyUnavailable as failure:
            raise MemoryUnavailable(target=TARGET, reason=failure.context["reason"]) from None


def _discard(call: Awaitable[object]) -> None:
    """Close what will not be awaited."""
    if asyncio.iscoroutine(call):
        call.close()
