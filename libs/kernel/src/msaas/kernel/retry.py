"""Retries with growing, jittered and bounded waits."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar, cast

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from msaas.kernel.clock import Clock, SystemClock
from msaas.kernel.errors import MsaasError

T = TypeVar("T")

_SYSTEM_CLOCK: Final = SystemClock()
_MAX_DOUBLINGS: Final = 60


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Full jitter up to `cap`; ends after `attempts` calls, or where a wait would pass `budget`."""

    base: float = 0.1
    cap: float = 3.0
    attempts: int | None = 5
    budget: float | None = None

    def delay(self, attempt: int, rng: random.Random | None = None) -> float:
        """Return the wait after the failed attempt number `attempt`, counted from 1."""
        step = min(self.cap, self.base * 2.0 ** min(attempt - 1, _MAX_DOUBLINGS))
        return (rng or random).uniform(0.0, step)

    async def run(
        self,
        call: Callable[[], Awaitable[T]],
        *,
        retry_on: tuple[type[BaseException], ...],
        clock: Clock = _SYSTEM_CLOCK,
    ) -> T:
        """Call until it succeeds; a MsaasError that is not retryable ends it at once."""
        started = clock.monotonic()
        try:
            return await call()  # the usual case costs nothing
        except retry_on as error:
            return await self._retry_after_failure(call, error, retry_on, clock, started)

    async def _retry_after_failure(
        self,
        call: Callable[[], Awaitable[T]],
        failure: BaseException,
        retry_on: tuple[type[BaseException], ...],
        clock: Clock,
        started: float,
    ) -> T:
        """Continue after the first attempt has failed."""
        failures = [failure]

        def exhausted(state: RetryCallState) -> bool:
            waited = clock.monotonic() - started + state.upcoming_sleep
            return (self.attempts is not None and state.attempt_number >= self.attempts) or (
                self.budget is not None and waited > self.budget
            )

        async def attempt() -> T:
            if failures:
                raise failures.pop()
            return await call()

        retrying = AsyncRetrying(
            sleep=clock.sleep,
            wait=lambda state: self.delay(state.attempt_number),
            stop=exhausted,
            retry=retry_if_exception(
                lambda error: isinstance(error, retry_on) and _is_retryable(error)
            ),
            reraise=True,
        )
        return cast("T", await retrying(attempt))


def _is_retryable(error: BaseException) -> bool:
    return error.retryable if isinstance(error, MsaasError) else True
