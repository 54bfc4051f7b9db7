"""A periodic task runs at its interval, can be woken, survives failures and drains."""

import asyncio
from collections.abc import Awaitable, Callable

from msaas.kernel import PeriodicTask, RetryPolicy, Wait

FOREVER = 3600.0
QUICK = RetryPolicy(base=0.001, cap=0.001, attempts=None)


def make_step(
    *outcomes: Wait | Exception | None,
) -> tuple[list[int], Callable[[], Awaitable[Wait | None]]]:
    """Make a step with these outcomes, the last one repeated; the list grows with each call."""
    calls: list[int] = []

    async def step() -> Wait | None:
        outcome = outcomes[min(len(calls), len(outcomes) - 1)]
        calls.append(len(calls))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return calls, step


def ignore(_name: str, _error: Exception, _failures: int) -> None:
    """Report nothing."""


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # the condition is a count
            await asyncio.sleep(0.001)


async def test_a_step_is_repeated_after_the_period() -> None:
    calls, step = make_step(None)
    task = PeriodicTask("step", step, period=0.001, report_failure=ignore)
    async with asyncio.TaskGroup() as group:
        group.create_task(task.run())
        await until(lambda: len(calls) >= 3)
        task.drain()


async def test_the_wait_that_a_step_returns_comes_before_the_period() -> None:
    calls, step = make_step(Wait(0.0), Wait(0.0), None)
    task = PeriodicTask("step", step, period=FOREVER, report_failure=ignore)
    async with asyncio.TaskGroup() as group:
        group.create_task(task.run())
        await until(lambda: len(calls) == 3)
        task.drain()
    assert len(calls) == 3


async def test_a_woken_task_runs_at_once() -> None:
    calls, step = make_step(None)
    task = PeriodicTask("step", step, period=FOREVER, report_failure=ignore)
    async with asyncio.TaskGroup() as group:
        group.create_task(task.run())
        await until(lambda: len(calls) == 1)
        task.wake()
        task.wake()
        await until(lambda: len(calls) == 2)
        task.drain()
    assert len(calls) == 2


async def test_a_wait_that_cannot_be_woken_is_ended_only_by_draining() -> None:
    calls, step = make_step(Wait(FOREVER, wakeable=False))
    task = PeriodicTask("step", step, period=0.001, report_failure=ignore)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(task.run())
        await until(lambda: len(calls) == 1)
        task.wake()
        for _ in range(10):
            await asyncio.sleep(0)
        assert not running.done()
        task.drain()
    assert len(calls) == 1


async def test_a_failure_is_reported_and_the_next_step_runs() -> None:
    reports: list[tuple[str, str, int]] = []
    calls, step = make_step(ValueError("one"), ValueError("two"), None)
    task = PeriodicTask(
        "step",
        step,
        period=FOREVER,
        backoff=QUICK,
        report_failure=lambda name, error, failures: reports.append((name, str(error), failures)),
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(task.run())
        await until(lambda: len(calls) == 3)
        task.drain()
    assert reports == [("step", "one", 1), ("step", "two", 2)]


async def test_the_last_step_runs_after_draining() -> None:
    calls, step = make_step(None)
    task = PeriodicTask("step", step, period=FOREVER, report_failure=ignore, last_step=True)
    task.drain()
    await task.run()
    assert len(calls) == 1
