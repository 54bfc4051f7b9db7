"""The clock advances only when the test advances it, and wakes sleepers in order."""

import asyncio
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from msaas.kernel import Clock, RetryPolicy
from msaas.testing import FakeClock


async def test_no_sleeper_wakes_before_the_clock_advances(fake_clock: FakeClock) -> None:
    sleeper = asyncio.create_task(fake_clock.sleep(1))
    await fake_clock.advance(0.9)
    assert not sleeper.done()
    assert fake_clock.sleepers == 1
    await fake_clock.advance(0.1)
    assert sleeper.done()
    assert fake_clock.sleepers == 0


async def test_a_sleeper_that_sleeps_again_is_woken_again_on_the_way(fake_clock: FakeClock) -> None:
    ticks: list[float] = []

    async def tick() -> None:
        for _ in range(3):
            await fake_clock.sleep(10)
            ticks.append(fake_clock.monotonic())

    task = asyncio.create_task(tick())
    await fake_clock.advance(60)
    assert ticks == [10, 20, 30]
    assert task.done()


async def test_a_retry_policy_waits_on_it(fake_clock: FakeClock) -> None:
    calls: list[float] = []

    async def fail_twice() -> str:
        calls.append(fake_clock.monotonic())
        if len(calls) < 3:
            raise ConnectionError
        return "done"

    clock: Clock = fake_clock
    policy = RetryPolicy(base=60, cap=60)
    running = asyncio.create_task(policy.run(fail_twice, retry_on=(ConnectionError,), clock=clock))
    await fake_clock.advance(120)
    assert running.result() == "done"
    assert calls == sorted(calls)
    assert calls[-1] > 0


async def test_now_moves_with_the_clock(fake_clock: FakeClock) -> None:
    before = fake_clock.now()
    await fake_clock.advance(90)
    assert fake_clock.now() - before == timedelta(seconds=90)
    assert fake_clock.now().tzinfo is not None


async def test_a_cancelled_sleeper_does_not_block_others(fake_clock: FakeClock) -> None:
    cancelled = asyncio.create_task(fake_clock.sleep(1))
    other = asyncio.create_task(fake_clock.sleep(2))
    await asyncio.sleep(0)
    cancelled.cancel()
    await fake_clock.advance(2)
    assert other.done()


@given(st.lists(st.integers(min_value=0, max_value=50), max_size=12))
async def test_sleepers_wake_in_the_order_in_which_they_are_due(pauses: list[int]) -> None:
    clock = FakeClock()
    woken: list[tuple[float, int]] = []

    async def sleep(index: int, seconds: int) -> None:
        await clock.sleep(seconds)
        woken.append((clock.monotonic(), index))

    async with asyncio.TaskGroup() as group:
        for index, seconds in enumerate(pauses):
            group.create_task(sleep(index, seconds))
        await clock.advance(50)
    assert woken == sorted((float(seconds), index) for index, seconds in enumerate(pauses))
