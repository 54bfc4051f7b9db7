"""Measures every browser task on the demo site, and compares the warm engine with baselines.

The baselines of the text task start a browser, or a browser and its driver, for every job, or use a
full Chromium if one is installed. Every round measures each candidate once, so that a slow machine
slows all of them. Then the text task runs 1, 2 and 4 at a time, and the memory of a context and of
all processes over 300 jobs is measured. Exits with 1 when a goal is missed.
"""

import asyncio
import shutil
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import uvloop
from browser_fixtures import (
    ARTICLE,
    TASKS,
    TEXT,
    BenchmarkJob,
    launch_browser,
    measure_memory,
    open_and_read,
    open_fixture,
    read_page,
)
from browser_soak import own_temporary_folder, soak
from goals import Table, parse_options, percentiles
from playwright.async_api import async_playwright

from msaas.browser_worker.browser.instance import proxy_options
from msaas.telemetry import configure_logging

MAX_SECONDS = 0.35
MAX_SHARE = 0.4
MAX_SHARE_OF_FULL = 0.6
MAX_GROWTH = 0.15
MEGABYTE = 1024 * 1024
PAUSE = 0.5
WARM = "warm browser, fresh context"
OWN_BROWSER = "browser per job"
OWN_DRIVER = "browser and driver per job"
FULL = "full Chromium, warm"

Durations = dict[str, list[float]]


@asynccontextmanager
async def open_candidates(full: Path | None) -> AsyncGenerator[dict[str, BenchmarkJob]]:
    async with AsyncExitStack() as stack:
        fixture = await stack.enter_async_context(open_fixture())
        driver = await stack.enter_async_context(async_playwright())
        url = fixture.site.url + ARTICLE

        async def own_driver() -> None:
            async with async_playwright() as job_driver:
                await open_and_read(job_driver, fixture, url)

        jobs: dict[str, BenchmarkJob] = {
            WARM: lambda: fixture.run_task(TEXT),
            OWN_BROWSER: lambda: open_and_read(driver, fixture, url),
            OWN_DRIVER: own_driver,
        }
        if full is not None:
            other = await launch_browser(driver, fixture, full)
            stack.push_async_callback(other.close)
            jobs[FULL] = lambda: read_page(other, url)
        yield jobs


async def compare(jobs: Mapping[str, BenchmarkJob], repetitions: int) -> Durations:
    """Run the jobs in turn, with a pause so that cleanup does not slow the next one."""
    times: Durations = {name: [] for name in jobs}
    for number in range(-2, repetitions):  # the first two warm up caches
        for name, job in jobs.items():
            await asyncio.sleep(PAUSE)
            began = time.perf_counter()
            await job()
            if number >= 0:
                times[name].append(time.perf_counter() - began)
    return times


async def measure_baselines(full: Path | None, repetitions: int) -> Durations:
    async with open_candidates(full) as jobs:
        return await compare(jobs, repetitions)


async def measure_tasks(repetitions: int) -> Durations:
    async with open_fixture() as fixture:
        return await compare({name: partial(fixture.run_task, name) for name in TASKS}, repetitions)


async def measure_concurrently(jobs: int, slots: int) -> tuple[list[float], float]:
    """Measure the times of concurrent jobs, and the jobs per second."""
    async with open_fixture(slots) as fixture:
        gate, times = asyncio.Semaphore(slots), list[float]()

        async def run_one() -> None:
            async with gate:
                began = time.perf_counter()
                await fixture.run_task(TEXT)
                times.append(time.perf_counter() - began)

        await fixture.run_task(TEXT)
        began = time.perf_counter()
        await asyncio.gather(*(run_one() for _ in range(jobs)))
        return times, jobs / (time.perf_counter() - began)


async def measure_growth(jobs: int) -> tuple[float, float, float]:
    """Measure the memory of a context, and of all processes after 10 % and 100 % of the jobs."""
    async with open_fixture(5) as fixture:
        for _ in range(max(1, jobs // 10)):
            await fixture.run_task(TEXT)
        early = measure_memory()
        async with AsyncExitStack() as stack:
            for _ in range(4):
                page = await stack.enter_async_context(
                    fixture.engine.open_page(proxy_options(fixture.proxy))
                )
                await page.goto(fixture.site.url + ARTICLE)
            context = (measure_memory() - early) / 4
        for _ in range(jobs - jobs // 10):
            await fixture.run_task(TEXT)
        return context, early, measure_memory()


def show_times(table: Table, title: str, times: Durations, against: str) -> dict[str, float]:
    medians = {name: statistics.median(found) for name, found in times.items()}
    table.row(title, "median", "p95", "x")
    for name, found in times.items():
        median, p95, _ = percentiles(found)
        share = medians[name] / medians[against]
        table.row(name, f"{median:.0f} ms", f"{p95:.0f} ms", f"{share:.1f} x")
    return medians


def check_goals(
    table: Table, medians: Mapping[str, float], growth: tuple[float, float, float]
) -> None:
    context, early, late = (size / MEGABYTE for size in growth)
    table.row("memory of an open context", f"{context:.1f} MB")
    table.row("memory of all, early and late", f"{early:.1f} MB", f"{late:.1f} MB")
    goals = {
        "text median, s": (medians[WARM], MAX_SECONDS),
        "share of a browser per job": (medians[WARM] / medians[OWN_BROWSER], MAX_SHARE),
        "growth of memory": (late / early - 1, MAX_GROWTH),
    }
    if FULL in medians:
        goals["share of full Chromium"] = (medians[WARM] / medians[FULL], MAX_SHARE_OF_FULL)
    else:
        table.row(FULL, "not installed")
    for name, (measured, limit) in goals.items():
        table.goal(name, f"{measured:.2f}", goal=f"≤ {limit}", met=measured <= limit)


def main() -> int:
    defaults = {
        "repetitions": (30, "pages for each candidate"),
        "jobs": (0, "default: 300 for the memory, 1,000 for a soak"),
        "full-chromium": (shutil.which("chromium") or "", "the program of a full Chromium"),
        "short": (False, "5 repetitions, 30 jobs"),
        "soak": (False, "run mixed jobs and look for leaks"),
    }
    chosen = parse_options("browser", __doc__, defaults)
    configure_logging("bench", "bench", level="CRITICAL" if chosen.soak else "ERROR")
    if chosen.soak:
        with own_temporary_folder():
            return 0 if uvloop.run(soak(chosen.jobs or 1_000)) else 1
    repetitions, jobs = (
        (5, chosen.jobs or 30) if chosen.short else (chosen.repetitions, chosen.jobs or 300)
    )
    full, table = Path(chosen.full_chromium) if chosen.full_chromium else None, Table()
    medians = show_times(
        table, "text, one at a time", uvloop.run(measure_baselines(full, repetitions)), WARM
    )
    show_times(table, "each task, one at a time", uvloop.run(measure_tasks(repetitions)), TEXT)
    for slots in (1, 2, 4):
        times, rate = uvloop.run(measure_concurrently(3 * repetitions, slots))
        show_times(table, f"text, {slots} at once: {rate:.1f} jobs/s", {TEXT: times}, TEXT)
    check_goals(table, medians, uvloop.run(measure_growth(jobs)))
    return 1 if table.missed else 0


if __name__ == "__main__":
    sys.exit(main())
