"""When a browser is replaced, and what happens to its open pages."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import pytest_asyncio
from playwright.async_api import Error, Page

from msaas.browser_worker.browser.instance import (
    DEFAULT_CONTEXT,
    BrowserUnavailable,
    ContextOptions,
)
from msaas.browser_worker.engine import BrowserInstance, Engine
from msaas.telemetry import Metrics
from msaas.testing import FakeClock, wait_until


class FakeBrowserInstance:
    """A browser that opens nothing and ends on request."""

    def __init__(self) -> None:
        self.on_end: Callable[[], None] = lambda: None
        self.opened_pages = 0
        self.is_unhealthy = False
        self.is_alive = True
        self.is_closed = False
        self.memory_bytes = 0
        self.prewarmed: list[ContextOptions] = []

    @asynccontextmanager
    async def open_page(self, options: ContextOptions = DEFAULT_CONTEXT) -> AsyncGenerator[Page]:
        assert "proxy" not in options
        self.opened_pages += 1
        yield cast("Page", self)

    async def prewarm_page(self, options: ContextOptions) -> None:
        self.prewarmed.append(options)

    def was_killed_for_memory(self) -> bool:
        return False

    def count_pages_over_memory(self, since: float) -> int:
        return int(since < 0)

    def measure_memory(self) -> int:
        return self.memory_bytes

    async def wait_ended(self, seconds: float) -> bool:
        return not self.is_alive

    async def close(self) -> None:
        self.is_closed = True

    def crash(self) -> None:
        self.is_alive = False
        self.on_end()


class EngineHarness:
    """Creates an engine and records the instances that it launched."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.metrics = Metrics("test", "test")
        self.instances: list[FakeBrowserInstance] = []
        self.launch_failures = 0

    async def launch(self) -> BrowserInstance:
        if self.launch_failures:
            self.launch_failures -= 1
            raise BrowserUnavailable
        self.instances.append(FakeBrowserInstance())
        return self.instances[-1]

    def create_engine(self, *, slots: int = 2, recycle_after: int = 500) -> Engine:
        return Engine(
            self.launch,
            slots=slots,
            recycle_after=recycle_after,
            metrics=self.metrics,
            clock=self.clock,
        )

    def get_metric(self, name: str, **labels: str) -> float | None:
        stamp = {"service": "test", "environment": "test"}
        return self.metrics.registry.get_sample_value(name, {**labels, **stamp})


@pytest_asyncio.fixture
async def engine_harness(fake_clock: FakeClock) -> AsyncIterator[EngineHarness]:
    yield EngineHarness(fake_clock)


async def crash_once(engine: Engine) -> None:
    async with engine.open_page() as page:
        cast("Any", page).crash()
        raise Error("Target page, context or browser has been closed")


async def test_the_browser_is_launched_at_the_start(engine_harness: EngineHarness) -> None:
    async with engine_harness.create_engine() as engine:
        await engine.ping()
        for _ in range(3):
            async with engine.open_page():
                assert engine_harness.get_metric("jobs_browser_contexts") == 1
        assert len(engine_harness.instances) == 1
        assert engine_harness.get_metric("jobs_browser_contexts") == 0
    assert engine_harness.instances[0].is_closed


async def test_a_page_is_prewarmed_only_in_the_current_browser(
    engine_harness: EngineHarness,
) -> None:
    async def find_options() -> ContextOptions:
        return {"proxy": {"server": "socks5://127.0.0.1:2"}}

    async with engine_harness.create_engine(recycle_after=1) as engine:
        engine.prewarm_page(find_options)
        await wait_until(lambda: engine_harness.instances[0].prewarmed)
        async with engine.open_page():
            engine.prewarm_page(find_options)
    assert engine_harness.instances[0].prewarmed == [await find_options()]
    engine.prewarm_page(find_options)
    assert len(engine_harness.instances[0].prewarmed) == 1


async def test_a_replaced_browser_closes_after_its_last_job(
    engine_harness: EngineHarness,
) -> None:
    async with engine_harness.create_engine(recycle_after=2) as engine:
        async with engine.open_page() as long_one:
            async with engine.open_page() as other:
                assert other is long_one
            async with engine.open_page() as fresh:
                assert fresh is not long_one
            assert not engine_harness.instances[0].is_closed
        await wait_until(lambda: engine_harness.instances[0].is_closed)
        assert engine_harness.get_metric("jobs_browser_recycles_total", reason="jobs") == 1
        assert not engine_harness.instances[1].is_closed


async def test_a_browser_whose_page_does_not_close_is_replaced(
    engine_harness: EngineHarness,
) -> None:
    async with engine_harness.create_engine() as engine:
        engine_harness.instances[0].is_unhealthy = True
        async with engine.open_page() as page:
            assert cast("Any", page) is engine_harness.instances[1]
        assert engine_harness.get_metric("jobs_browser_recycles_total", reason="worn") == 1


async def test_an_old_or_large_browser_is_replaced(engine_harness: EngineHarness) -> None:
    async with engine_harness.create_engine() as engine:
        await engine_harness.clock.advance(6 * 3_600)
        await open_and_close_page(engine)
        assert engine_harness.get_metric("jobs_browser_recycles_total", reason="age") == 1
        engine_harness.instances[1].memory_bytes = 3 * 2**30
        await open_and_close_page(engine)
        assert len(engine_harness.instances) == 2  # memory is measured at intervals
        await engine_harness.clock.advance(30)
        await open_and_close_page(engine)
        assert engine_harness.get_metric("jobs_browser_recycles_total", reason="memory") == 1


async def test_a_browser_that_ended_is_replaced_before_the_next_job(
    engine_harness: EngineHarness,
) -> None:
    async with engine_harness.create_engine() as engine:
        engine_harness.instances[0].crash()
        with pytest.raises(BrowserUnavailable):
            await engine.ping()
        await wait_until(lambda: len(engine_harness.instances) == 2)
        await engine.ping()
        assert engine_harness.get_metric("jobs_browser_recycles_total", reason="ended") == 1
        await wait_until(lambda: engine_harness.instances[0].is_closed)


async def test_a_failed_launch_is_retried(engine_harness: EngineHarness) -> None:
    engine_harness.launch_failures = 2
    entering = asyncio.create_task(engine_harness.create_engine().__aenter__())
    while not entering.done():
        await engine_harness.clock.advance(1)
    async with entering.result() as engine:
        await engine.ping()


async def test_the_circuit_opens_on_crashes_and_closes_after_a_success(
    engine_harness: EngineHarness,
) -> None:
    async with engine_harness.create_engine() as engine:
        for _ in range(5):
            with pytest.raises(BrowserUnavailable):
                await crash_once(engine)
        assert engine_harness.get_metric("circuit_state", target="playwright") == 2
        waiting = asyncio.create_task(open_and_close_page(engine))
        await engine_harness.clock.advance(29)
        assert not waiting.done()
        await engine_harness.clock.advance(2)
        await waiting
        assert engine_harness.get_metric("circuit_state", target="playwright") == 0
        assert engine_harness.get_metric("circuit_opened_total", target="playwright") == 1


async def open_and_close_page(engine: Engine) -> None:
    async with engine.open_page():
        pass


@pytest.mark.parametrize("error", [ValueError("ours"), Error("net::ERR_ABORTED")])
async def test_errors_of_a_page_do_not_count_against_the_browser(
    engine_harness: EngineHarness, error: Exception
) -> None:
    async with engine_harness.create_engine() as engine:
        for _ in range(6):
            with pytest.raises(type(error)) as raised:
                async with engine.open_page():
                    raise error
            assert raised.value is error
        assert engine_harness.get_metric("circuit_state", target="playwright") == 0
        assert len(engine_harness.instances) == 1


async def test_no_more_pages_are_open_than_there_are_slots(engine_harness: EngineHarness) -> None:
    async with engine_harness.create_engine(slots=1) as engine:
        async with engine.open_page():
            waiting = asyncio.create_task(open_and_close_page(engine))
            await asyncio.sleep(0)
            assert engine_harness.get_metric("jobs_browser_contexts") == 1
            assert engine_harness.instances[0].opened_pages == 1
        await waiting
        assert engine_harness.instances[0].opened_pages == 2


async def test_a_job_cancelled_during_a_launch_does_not_cancel_the_launch(
    engine_harness: EngineHarness,
) -> None:
    async with engine_harness.create_engine() as engine:
        engine_harness.launch_failures = 1
        engine_harness.instances[0].is_unhealthy = True
        impatient = asyncio.create_task(open_and_close_page(engine))
        await wait_until(lambda: engine_harness.launch_failures == 0)
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
        await engine_harness.clock.advance(1)
        await wait_until(lambda: len(engine_harness.instances) == 2)
        await open_and_close_page(engine)
        assert len(engine_harness.instances) == 2


async def test_a_failed_launch_fails_one_job_only(
    engine_harness: EngineHarness,
) -> None:
    async with engine_harness.create_engine() as engine:
        engine_harness.launch_failures = 6  # three at the start, three for the job
        engine_harness.instances[0].crash()
        lookups = asyncio.create_task(open_and_close_page(engine))
        while not lookups.done():
            await engine_harness.clock.advance(1)
        assert isinstance(lookups.exception(), BrowserUnavailable)
        await open_and_close_page(engine)
        assert engine_harness.get_metric("circuit_state", target="playwright") == 0
