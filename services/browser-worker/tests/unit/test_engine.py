"""When a browser is replaced, and what becomes of the pages that are open meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import pytest_asyncio
from playwright.async_api import Error, Page

from msaas.browser_worker.browser import PLAIN, BrowserUnavailable, ContextOptions
from msaas.browser_worker.engine import Engine, Life
from msaas.telemetry import Metrics
from msaas.testing import FakeClock, wait_until


class FakeLife:
    """A browser that opens nothing and ends when it is told to."""

    def __init__(self) -> None:
        self.on_end: Callable[[], None] = lambda: None
        self.opened = 0
        self.is_worn = False
        self.is_alive = True
        self.is_closed = False
        self.size = 0
        self.readied: list[ContextOptions] = []

    @asynccontextmanager
    async def open_page(self, options: ContextOptions = PLAIN) -> AsyncGenerator[Page]:
        assert "proxy" not in options
        self.opened += 1
        yield cast("Page", self)

    async def make_ready(self, options: ContextOptions) -> None:
        self.readied.append(options)

    def has_slain(self) -> bool:
        return False

    def measure(self) -> int:
        return self.size

    async def has_ended(self, within: float) -> bool:
        return not self.is_alive

    async def close(self) -> None:
        self.is_closed = True

    def crash(self) -> None:
        self.is_alive = False
        self.on_end()


class Garage:
    """Makes an engine and keeps the lives that it has launched."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.metrics = Metrics("test", "test")
        self.lives: list[FakeLife] = []
        self.failures = 0

    async def launch(self) -> Life:
        if self.failures:
            self.failures -= 1
            raise BrowserUnavailable
        self.lives.append(FakeLife())
        return self.lives[-1]

    def engine(self, *, slots: int = 2, recycle_after: int = 500) -> Engine:
        return Engine(
            self.launch,
            slots=slots,
            recycle_after=recycle_after,
            metrics=self.metrics,
            clock=self.clock,
        )

    def count(self, name: str, **labels: str) -> float | None:
        stamp = {"service": "test", "environment": "test"}
        return self.metrics.registry.get_sample_value(name, {**labels, **stamp})


@pytest_asyncio.fixture
async def garage(fake_clock: FakeClock) -> AsyncIterator[Garage]:
    yield Garage(fake_clock)


async def crash_once(engine: Engine) -> None:
    async with engine.open_page() as page:
        cast("Any", page).crash()
        raise Error("Target page, context or browser has been closed")


async def test_it_is_warm_from_the_start(garage: Garage) -> None:
    async with garage.engine() as engine:
        await engine.ping()
        for _ in range(3):
            async with engine.open_page():
                assert garage.count("jobs_browser_contexts") == 1
        assert len(garage.lives) == 1
        assert garage.count("jobs_browser_contexts") == 0
    assert garage.lives[0].is_closed


async def test_a_page_is_made_ready_in_the_present_browser_and_in_none_that_is_done(
    garage: Garage,
) -> None:
    async def find_options() -> ContextOptions:
        return {"proxy": {"server": "socks5://127.0.0.1:2"}}

    async with garage.engine(recycle_after=1) as engine:
        engine.make_ready(find_options)
        await wait_until(lambda: garage.lives[0].readied)
        async with engine.open_page():
            engine.make_ready(find_options)
    assert garage.lives[0].readied == [await find_options()]
    engine.make_ready(find_options)
    assert len(garage.lives[0].readied) == 1


async def test_a_browser_that_has_had_its_jobs_closes_after_the_last_of_them(
    garage: Garage,
) -> None:
    async with garage.engine(recycle_after=2) as engine:
        async with engine.open_page() as long_one:
            async with engine.open_page() as other:
                assert other is long_one
            async with engine.open_page() as fresh:
                assert fresh is not long_one
            assert not garage.lives[0].is_closed
        await wait_until(lambda: garage.lives[0].is_closed)
        assert garage.count("jobs_browser_recycles_total", reason="jobs") == 1
        assert not garage.lives[1].is_closed


async def test_what_would_not_close_is_replaced(garage: Garage) -> None:
    async with garage.engine() as engine:
        garage.lives[0].is_worn = True
        async with engine.open_page() as page:
            assert cast("Any", page) is garage.lives[1]
        assert garage.count("jobs_browser_recycles_total", reason="worn") == 1


async def test_one_that_has_grown_old_or_large_is_replaced(garage: Garage) -> None:
    async with garage.engine() as engine:
        await garage.clock.advance(6 * 3_600)
        await crash_free(engine)
        assert garage.count("jobs_browser_recycles_total", reason="age") == 1
        garage.lives[1].size = 3 * 2**30
        await crash_free(engine)
        assert len(garage.lives) == 2  # it is looked at now and then
        await garage.clock.advance(30)
        await crash_free(engine)
        assert garage.count("jobs_browser_recycles_total", reason="memory") == 1


async def test_a_browser_that_ended_is_replaced_before_anybody_asks(garage: Garage) -> None:
    async with garage.engine() as engine:
        garage.lives[0].crash()
        with pytest.raises(BrowserUnavailable):
            await engine.ping()
        await wait_until(lambda: len(garage.lives) == 2)
        await engine.ping()
        assert garage.count("jobs_browser_recycles_total", reason="ended") == 1
        await wait_until(lambda: garage.lives[0].is_closed)


async def test_a_launch_that_fails_is_tried_again(garage: Garage) -> None:
    garage.failures = 2
    entering = asyncio.create_task(garage.engine().__aenter__())
    while not entering.done():
        await garage.clock.advance(1)
    async with entering.result() as engine:
        await engine.ping()


async def test_the_circuit_opens_on_crashes_and_holds_work_back_until_one_goes_well(
    garage: Garage,
) -> None:
    async with garage.engine() as engine:
        for _ in range(5):
            with pytest.raises(BrowserUnavailable):
                await crash_once(engine)
        assert garage.count("circuit_state", target="playwright") == 2
        waiting = asyncio.create_task(crash_free(engine))
        await garage.clock.advance(29)
        assert not waiting.done()
        await garage.clock.advance(2)
        await waiting
        assert garage.count("circuit_state", target="playwright") == 0
        assert garage.count("circuit_opened_total", target="playwright") == 1


async def crash_free(engine: Engine) -> None:
    async with engine.open_page():
        pass


@pytest.mark.parametrize("error", [ValueError("ours"), Error("net::ERR_ABORTED")])
async def test_what_goes_wrong_on_a_page_says_nothing_against_the_browser(
    garage: Garage, error: Exception
) -> None:
    async with garage.engine() as engine:
        for _ in range(6):
            with pytest.raises(type(error)) as raised:
                async with engine.open_page():
                    raise error
            assert raised.value is error
        assert garage.count("circuit_state", target="playwright") == 0
        assert len(garage.lives) == 1


async def test_no_more_pages_are_open_than_there_are_slots(garage: Garage) -> None:
    async with garage.engine(slots=1) as engine:
        async with engine.open_page():
            waiting = asyncio.create_task(crash_free(engine))
            await asyncio.sleep(0)
            assert garage.count("jobs_browser_contexts") == 1
            assert garage.lives[0].opened == 1
        await waiting
        assert garage.lives[0].opened == 2


async def test_a_job_that_gives_up_during_a_launch_leaves_the_launch_to_the_next(
    garage: Garage,
) -> None:
    async with garage.engine() as engine:
        garage.failures = 1
        garage.lives[0].is_worn = True
        impatient = asyncio.create_task(crash_free(engine))
        await wait_until(lambda: garage.failures == 0)
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
        await garage.clock.advance(1)
        await wait_until(lambda: len(garage.lives) == 2)
        await crash_free(engine)
        assert len(garage.lives) == 2


async def test_a_browser_that_cannot_be_had_fails_the_job_and_not_the_next(
    garage: Garage,
) -> None:
    async with garage.engine() as engine:
        garage.failures = 6  # three for whoever warms up, three for the job
        garage.lives[0].crash()
        asking = asyncio.create_task(crash_free(engine))
        while not asking.done():
            await garage.clock.advance(1)
        assert isinstance(asking.exception(), BrowserUnavailable)
        await crash_free(engine)
        assert garage.count("circuit_state", target="playwright") == 0
