"""The dispatcher, with results of ticks that the test sets."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from msaas.jobs.application.ports import TickResult
from msaas.jobs.entrypoints.dispatcher import Dispatcher
from msaas.kernel import DependencyUnavailable
from msaas.testing import wait_until

NEVER = 3_600.0
IDLE = TickResult()


class Ticks:
    """The results of the next ticks; afterwards there is nothing to do."""

    def __init__(self) -> None:
        self.next: list[TickResult | Exception] = []
        self.count = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self) -> TickResult:
        self.count += 1
        await self.go_on.wait()
        answer = self.next.pop(0) if self.next else IDLE
        if isinstance(answer, Exception):
            raise answer
        return answer

    def reached(self, count: int) -> Callable[[], bool]:
        return lambda: self.count == count


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest_asyncio.fixture
async def dispatcher(ticks: Ticks) -> AsyncIterator[Dispatcher]:
    made = Dispatcher(ticks, period=NEVER)
    running = asyncio.create_task(made.task.run())
    await wait_until(ticks.reached(1))
    yield made
    made.task.drain()
    await running


async def test_a_request_is_followed_by_a_tick_at_once(
    ticks: Ticks, dispatcher: Dispatcher
) -> None:
    dispatcher.request_dispatch()
    await wait_until(ticks.reached(2))
    dispatcher.request_dispatch()
    await wait_until(ticks.reached(3))
    assert ticks.count == 3


async def test_requests_during_a_tick_are_one(ticks: Ticks, dispatcher: Dispatcher) -> None:
    ticks.go_on.clear()
    dispatcher.request_dispatch()
    await wait_until(ticks.reached(2))
    for _ in range(10):
        dispatcher.request_dispatch()
    ticks.go_on.set()
    await wait_until(ticks.reached(3))
    await asyncio.sleep(0)
    assert ticks.count == 3


async def test_while_there_is_more_it_does_not_rest(ticks: Ticks, dispatcher: Dispatcher) -> None:
    ticks.next = [TickResult(has_more=True)] * 4
    dispatcher.request_dispatch()
    await wait_until(ticks.reached(6))
    assert not ticks.next


async def test_it_comes_back_after_another_replica_had_its_tick(
    ticks: Ticks, dispatcher: Dispatcher
) -> None:
    ticks.next = [TickResult(is_busy=True)] * 2
    dispatcher.request_dispatch()
    await wait_until(ticks.reached(4))
    assert not ticks.next


@pytest.mark.parametrize("error", [DependencyUnavailable(target="redis"), ValueError("a bug")])
async def test_it_survives_any_error_of_a_tick(
    error: Exception, ticks: Ticks, dispatcher: Dispatcher
) -> None:
    ticks.next = [error, error]
    dispatcher.request_dispatch()
    await wait_until(ticks.reached(4))
    assert not ticks.next


async def test_without_a_request_it_ticks_periodically(ticks: Ticks) -> None:
    dispatcher = Dispatcher(ticks, period=0.001)
    running = asyncio.create_task(dispatcher.task.run())
    await wait_until(lambda: ticks.count > 3)
    dispatcher.task.drain()
    await running
    assert ticks.count > 3


async def test_a_drain_waits_for_the_running_tick(ticks: Ticks) -> None:
    ticks.go_on.clear()
    dispatcher = Dispatcher(ticks, period=NEVER)
    running = asyncio.create_task(dispatcher.task.run())
    await wait_until(ticks.reached(1))
    dispatcher.task.drain()
    assert not running.done()
    ticks.go_on.set()
    await running
    assert ticks.count == 1
