"""Every browser task on the demo site, and the warm engine beside its rivals, in one run.

Each task one at a time; the text task also 2 and 4 at once, beside a browser of its own for every
job, its driver kept or started with it, and beside a full Chromium where there is one. Every
round measures each contender once, so that a machine that slows down slows all of them. Then the
memory of a context, and of all processes over 300 jobs. Exits with 1 when a goal is missed.
"""

import argparse
import asyncio
import shutil
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import uvloop
from browser_fixtures import (
    ARTICLE,
    TASKS,
    TEXT,
    BenchmarkJob,
    BrowserFixture,
    launch_plainly,
    measure_memory,
    open_and_read,
    open_fixture,
    read_plainly,
)
from browser_soak import own_temporary_folder, soak
from playwright.async_api import async_playwright

from msaas.browser_worker.browser.instance import proxy_options
from msaas.local.chromium import ensure_chromium
from msaas.local.demo_site import DemoSite
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
async def open_candidates(
    site: DemoSite, full: Path | None
) -> AsyncGenerator[dict[str, BenchmarkJob]]:
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(open_fixture(site, ensure_chromium(print)))
        driver = await stack.enter_async_context(async_playwright())
        url = site.url + ARTICLE

        async def own_driver() -> None:
            async with async_playwright() as mine:
                await open_and_read(mine, ours, url)

        jobs: dict[str, BenchmarkJob] = {
            WARM: lambda: ours.run_task(TEXT),
            OWN_BROWSER: lambda: open_and_read(driver, ours, url),
            OWN_DRIVER: own_driver,
        }
        if full is not None:
            other = await launch_plainly(driver, ours, full)
            stack.push_async_callback(other.close)
            jobs[FULL] = lambda: read_plainly(other, url)
        yield jobs


async def compare(jobs: Mapping[str, BenchmarkJob], rounds: int) -> Durations:
    """Take turns. What one still does when it has answered must not fall on the next."""
    times: Durations = {name: [] for name in jobs}
    for number in range(-2, rounds):  # the first two warm up caches of the machine's
        for name, job in jobs.items():
            await asyncio.sleep(PAUSE)
            began = time.perf_counter()
            await job()
            if number >= 0:
                times[name].append(time.perf_counter() - began)
    return times


async def measure_baselines(full: Path | None, rounds: int) -> Durations:
    with DemoSite() as site:
        async with open_candidates(site, full) as jobs:
            return await compare(jobs, rounds)


async def measure_tasks(rounds: int) -> Durations:
    with DemoSite() as site:
        async with open_fixture(site, ensure_chromium(print)) as ours:
            return await compare({name: _job(ours, name) for name in TASKS}, rounds)


def _job(ours: BrowserFixture, task_type: str) -> BenchmarkJob:
    return lambda: ours.run_task(task_type)


async def measure_concurrently(jobs: int, slots: int) -> tuple[list[float], float]:
    """Time jobs that run at once as slots allow, and count how many there are in a second."""
    with DemoSite() as site:
        async with open_fixture(site, ensure_chromium(print), slots) as ours:
            gate, times = asyncio.Semaphore(slots), list[float]()

            async def do_one() -> None:
                async with gate:
                    began = time.perf_counter()
                    await ours.run_task(TEXT)
                    times.append(time.perf_counter() - began)

            await ours.run_task(TEXT)
            began = time.perf_counter()
            await asyncio.gather(*(do_one() for _ in range(jobs)))
            return times, jobs / (time.perf_counter() - began)


async def measure_growth(jobs: int) -> tuple[float, float, float]:
    """Measure one open context, and all processes after a tenth of the jobs and after all."""
    with DemoSite() as site:
        async with open_fixture(site, ensure_chromium(print), 5) as ours:
            for _ in range(max(1, jobs // 10)):
                await ours.run_task(TEXT)
            early = measure_memory()
            async with AsyncExitStack() as stack:
                for _ in range(4):
                    page = await stack.enter_async_context(
                        ours.engine.open_page(proxy_options(ours.proxy))
                    )
                    await page.goto(site.url + ARTICLE)
                context = (measure_memory() - early) / 4
            for _ in range(jobs - jobs // 10):
                await ours.run_task(TEXT)
            return context, early, measure_memory()


def show_times(title: str, times: Durations, against: str) -> dict[str, float]:
    medians = {name: statistics.median(found) for name, found in times.items()}
    print(f"{title:32}{'median':>10}{'p95':>10}{'x':>7}")
    for name, found in times.items():
        p95 = statistics.quantiles(found, n=20)[18] if len(found) > 1 else found[0]
        share = medians[name] / medians[against]
        print(f"{name:32}{medians[name] * 1000:>7.0f} ms{p95 * 1000:>7.0f} ms{share:>6.1f}x")
    return medians


def check_goals(medians: Mapping[str, float], growth: tuple[float, float, float]) -> bool:
    context, early, late = (one / MEGABYTE for one in growth)
    print(f"{'memory of an open context':32}{context:>7.1f} MB")
    print(f"{'memory of all, early and late':32}{early:>7.1f} MB{late:>7.1f} MB")
    goals = [
        (f"{TEXT} median, s", medians[WARM], MAX_SECONDS),
        ("share of a browser per job", medians[WARM] / medians[OWN_BROWSER], MAX_SHARE),
        ("growth of memory", late / early - 1, MAX_GROWTH),
    ]
    if FULL in medians:
        share = medians[WARM] / medians[FULL]
        goals.append(("share of full Chromium", share, MAX_SHARE_OF_FULL))
    else:
        print(f"{FULL:32}  not on this machine, not judged")
    for name, found, most in goals:
        print(f"goal: {name:32}{found:>7.2f} (≤ {most}): {'met' if found <= most else 'MISSED'}")
    return all(found <= most for _, found, most in goals)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--jobs", type=int, help="300 for the memory, 1,000 for a soak")
    parser.add_argument("--full-chromium", type=Path, default=shutil.which("chromium"))
    parser.add_argument("--short", action="store_true", help="a quick look: 5 rounds, 30 jobs")
    parser.add_argument("--soak", action="store_true", help="mixed jobs, and what they leave")
    chosen = parser.parse_args()
    configure_logging("bench", "bench", level="CRITICAL" if chosen.soak else "ERROR")
    if chosen.soak:
        with own_temporary_folder():
            return 0 if uvloop.run(soak(chosen.jobs or 1_000)) else 1
    rounds, jobs = (5, chosen.jobs or 30) if chosen.short else (chosen.rounds, chosen.jobs or 300)
    full = Path(chosen.full_chromium) if chosen.full_chromium else None
    medians = show_times("text, one at a time", uvloop.run(measure_baselines(full, rounds)), WARM)
    show_times("each task, one at a time", uvloop.run(measure_tasks(rounds)), TEXT)
    for slots in (1, 2, 4):
        times, rate = uvloop.run(measure_concurrently(3 * rounds, slots))
        show_times(f"text, {slots} at once: {rate:.1f} jobs/s", {TEXT: times}, TEXT)
    return 0 if check_goals(medians, uvloop.run(measure_growth(jobs))) else 1


if __name__ == "__main__":
    sys.exit(main())
