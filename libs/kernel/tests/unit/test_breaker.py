"""When a breaker opens, which calls it admits, and how it closes."""

import asyncio

import pytest

from msaas.kernel import (
    Breaker,
    BreakerPolicy,
    CircuitOpen,
    CircuitState,
    DependencyUnavailable,
    MsaasError,
)
from msaas.testing import FakeClock

CLOSED, HALF_OPEN, OPEN = CircuitState.CLOSED, CircuitState.HALF_OPEN, CircuitState.OPEN


async def call(breaker: Breaker, error: BaseException | None = None) -> None:
    async with breaker:
        if error:
            raise error


async def fail(breaker: Breaker, times: int, error: BaseException | None = None) -> None:
    for _ in range(times):
        failure = error or OSError()
        with pytest.raises(type(failure)):
            await call(breaker, failure)


async def opened(clock: FakeClock) -> Breaker:
    breaker = Breaker("stripe", BreakerPolicy(), clock)
    await fail(breaker, 5)
    return breaker


async def test_it_opens_on_the_fifth_failure_in_a_row(fake_clock: FakeClock) -> None:
    breaker = Breaker("stripe", BreakerPolicy(), fake_clock)
    await fail(breaker, 4)
    assert breaker.state is CLOSED
    await fail(breaker, 1)
    assert breaker.state is OPEN


async def test_a_success_resets_the_count(fake_clock: FakeClock) -> None:
    breaker = Breaker("stripe", BreakerPolicy(), fake_clock)
    await fail(breaker, 4)
    await call(breaker)
    await fail(breaker, 4)
    assert breaker.state is CLOSED


async def test_an_open_circuit_reports_its_name_and_the_retry_delay(
    fake_clock: FakeClock,
) -> None:
    breaker = await opened(fake_clock)
    await fake_clock.advance(10)
    with pytest.raises(CircuitOpen) as refused:
        await call(breaker)
    assert refused.value.context == {"target": "stripe", "retry_after": 20}


async def test_an_answer_that_refuses_is_an_answer(fake_clock: FakeClock) -> None:
    breaker = Breaker("stripe", BreakerPolicy(consecutive_failures=1), fake_clock)
    await fail(breaker, 9, MsaasError())
    assert breaker.state is CLOSED
    await fail(breaker, 1, DependencyUnavailable())
    assert breaker.state is OPEN


async def test_one_good_probe_closes_it(fake_clock: FakeClock) -> None:
    breaker = await opened(fake_clock)
    await fake_clock.advance(30)
    await call(breaker)
    assert breaker.state is CLOSED
    await fail(breaker, 4)
    assert breaker.state is CLOSED


async def test_a_failed_probe_opens_it_for_another_term(fake_clock: FakeClock) -> None:
    breaker = await opened(fake_clock)
    await fake_clock.advance(30)
    await fail(breaker, 1)
    await fake_clock.advance(29)
    await fail(breaker, 1, CircuitOpen())
    assert breaker.state is OPEN


async def test_only_one_caller_probes(fake_clock: FakeClock) -> None:
    breaker = await opened(fake_clock)
    await fake_clock.advance(30)
    async with breaker:
        assert breaker.state is HALF_OPEN
        await asyncio.gather(*(refused(breaker) for _ in range(3)))
    assert breaker.state is CLOSED


async def refused(breaker: Breaker) -> None:
    with pytest.raises(CircuitOpen):
        await call(breaker)


async def test_a_cancelled_probe_leaves_the_probing_to_the_next_caller(
    fake_clock: FakeClock,
) -> None:
    breaker = await opened(fake_clock)
    await fake_clock.advance(30)
    await fail(breaker, 1, asyncio.CancelledError())
    await call(breaker)
    assert breaker.state is CLOSED


async def test_a_probe_that_never_ends_is_replaced_and_then_ignored(fake_clock: FakeClock) -> None:
    breaker = await opened(fake_clock)
    await fake_clock.advance(30)
    hanging = asyncio.Event()

    async def hang() -> None:
        async with breaker:
            await hanging.wait()
            raise ConnectionError

    probe = asyncio.create_task(hang())
    await fake_clock.advance(29)
    await refused(breaker)
    await fake_clock.advance(1)
    await call(breaker)
    hanging.set()
    with pytest.raises(ConnectionError):
        await probe
    assert breaker.state is CLOSED


async def test_a_call_begun_before_the_circuit_opened_does_not_count_as_the_probe(
    fake_clock: FakeClock,
) -> None:
    breaker = Breaker("stripe", BreakerPolicy(), fake_clock)
    released = asyncio.Event()

    async def slow() -> None:
        async with breaker:
            await released.wait()

    late = asyncio.create_task(slow())
    await asyncio.sleep(0)
    await fail(breaker, 5)
    released.set()
    await late
    assert breaker.state is OPEN


async def test_it_opens_on_a_share_of_failures(fake_clock: FakeClock) -> None:
    policy = BreakerPolicy(failure_ratio=0.5, window=10, min_calls=10)
    breaker = Breaker("openai", policy, fake_clock)
    for _ in range(4):
        await fail(breaker, 1)
        await call(breaker)
    assert breaker.state is CLOSED
    await call(breaker)
    await fail(breaker, 1)
    assert breaker.state is OPEN


async def test_results_older_than_the_window_do_not_count(fake_clock: FakeClock) -> None:
    policy = BreakerPolicy(failure_ratio=0.5, window=10, min_calls=6)
    breaker = Breaker("openai", policy, fake_clock)
    await fail(breaker, 4)
    await fake_clock.advance(11)
    for _ in range(6):
        await call(breaker)
    await fail(breaker, 4)
    assert breaker.state is CLOSED


async def test_it_opens_when_more_than_one_call_in_twenty_is_over_target(
    fake_clock: FakeClock,
) -> None:
    policy = BreakerPolicy(p95_target=1.0, window=1_000, min_calls=20)
    breaker = Breaker("chroma", policy, fake_clock)
    for seconds in [0.1] * 38 + [2.0] * 2:
        async with breaker:
            await fake_clock.advance(seconds)
    assert breaker.state is CLOSED
    async with breaker:
        await fake_clock.advance(2.0)
    assert breaker.state is OPEN


async def test_nested_breakers_and_tasks_do_not_take_each_others_calls(
    fake_clock: FakeClock,
) -> None:
    policy = BreakerPolicy(consecutive_failures=1)
    outer, inner = Breaker("outer", policy, fake_clock), Breaker("inner", policy, fake_clock)
    async with outer:
        await fail(inner, 1)
    await asyncio.gather(*(call(outer) for _ in range(3)))
    assert (outer.state, inner.state) == (CLOSED, OPEN)


async def test_every_state_change_is_reported_including_the_first_state(
    fake_clock: FakeClock,
) -> None:
    states: list[tuple[str, CircuitState]] = []
    breaker = Breaker(
        "jwks",
        BreakerPolicy(consecutive_failures=1),
        fake_clock,
        on_change=lambda target, state: states.append((target, state)),
    )
    await fail(breaker, 1)
    await fake_clock.advance(30)
    await call(breaker)
    assert states == [("jwks", state) for state in (CLOSED, OPEN, HALF_OPEN, CLOSED)]
