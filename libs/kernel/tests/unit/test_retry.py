"""Holds the bounds of retrying: how long, how often, and for what."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.kernel import DependencyUnavailable, MsaasError, RetryPolicy


class SkippingClock:
    """Skips every sleep, and records its length."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def failing(times: int, error: BaseException) -> Callable[[], Awaitable[str]]:
    left: Iterator[int] = iter(range(times))

    async def call() -> str:
        if next(left, None) is not None:
            raise error
        return "done"

    return call


async def test_it_returns_what_the_first_successful_call_returned() -> None:
    clock = SkippingClock()
    answer = await RetryPolicy().run(failing(3, OSError()), retry_on=(OSError,), clock=clock)
    assert (answer, len(clock.slept)) == ("done", 3)


async def test_after_the_last_attempt_the_last_error_is_raised_itself() -> None:
    clock, error = SkippingClock(), OSError("gone")
    with pytest.raises(OSError, match="gone") as raised:
        await RetryPolicy(attempts=4).run(failing(9, error), retry_on=(OSError,), clock=clock)
    assert raised.value is error
    assert len(clock.slept) == 3


async def test_no_wait_begins_that_would_end_after_the_budget() -> None:
    clock = SkippingClock()
    policy = RetryPolicy(base=1.0, cap=2.0, attempts=None, budget=20.0)
    with pytest.raises(ConnectionError):
        await policy.run(failing(1_000, ConnectionError()), retry_on=(OSError,), clock=clock)
    assert 18.0 < clock.monotonic() <= 20.0


async def test_an_error_that_was_not_named_is_not_tried_again() -> None:
    clock = SkippingClock()
    with pytest.raises(KeyError):
        await RetryPolicy().run(failing(1, KeyError()), retry_on=(OSError,), clock=clock)
    assert clock.slept == []


@pytest.mark.parametrize(("error", "waits"), [(DependencyUnavailable(), 1), (MsaasError(), 0)])
async def test_of_our_own_errors_only_a_retryable_one_is_tried_again(
    error: MsaasError, waits: int
) -> None:
    clock = SkippingClock()
    with pytest.raises(type(error)):
        await RetryPolicy(attempts=2).run(failing(9, error), retry_on=(Exception,), clock=clock)
    assert len(clock.slept) == waits


async def test_a_cancelled_call_is_not_tried_again() -> None:
    clock = SkippingClock()
    with pytest.raises(asyncio.CancelledError):
        await RetryPolicy().run(
            failing(1, asyncio.CancelledError()), retry_on=(Exception,), clock=clock
        )
    assert clock.slept == []


@given(
    base=st.floats(0.001, 10),
    cap=st.floats(0.001, 100),
    attempt=st.integers(1, 10**9),
    seed=st.integers(),
)
def test_a_delay_lies_between_zero_and_its_step(
    base: float, cap: float, attempt: int, seed: int
) -> None:
    delay = RetryPolicy(base=base, cap=cap).delay(attempt, random.Random(seed))  # noqa: S311  # jitter
    assert 0 <= delay <= min(cap, base * 2.0 ** min(attempt - 1, 60))


def test_delays_spread_over_the_whole_step() -> None:
    rng = random.Random(1)  # noqa: S311  # jitter
    delays = sorted(RetryPolicy(base=0.1, cap=3.0).delay(9, rng) for _ in range(1_000))
    assert delays[0] < 0.1
    assert delays[500] == pytest.approx(1.5, abs=0.3)
    assert delays[-1] > 2.9
