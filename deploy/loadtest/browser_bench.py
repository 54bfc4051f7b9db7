"""The warm engine against a browser for each job, page by page, in one interleaved run.

Opens a page of the demo site and extracts its text, one job at a time, as the worker does it;
beside it the same with a browser of its own for every job, its driver kept or started with it.
Every round measures each contender once, so that a machine that slows down slows all of them.
Exits with 1 when the warm median is over its time, or over its share of the faster of its rivals.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import uvloop
from browser_soak import own_temporary_folder, soak
from playwright.async_api import Playwright, async_playwright

from msaas.browser_worker.browser import Launch
from msaas.browser_worker.chromium import FLAGS
from msaas.browser_worker.egress import Egress
from msaas.browser_worker.engine import Engine
from msaas.browser_worker.guard import Guard
from msaas.browser_worker.run import make_actions
from msaas.contracts import NavigateAndExtractTextParams, Progress
from msaas.kernel import SystemClock
from msaas.local.chromium import ensure_chromium
from msaas.local.demo_site import DemoSite
from msaas.telemetry import Metrics, configure_logging
from msaas.testing import build_job_envelope
from msaas.worker import Run

MOST_SECONDS = 0.35
MOST_SHARE = 0.4
TASK = "navigate_and_extract_text"
WARM = "warm browser, fresh context"
OWN_BROWSER = "browser per job"
OWN_DRIVER = "browser and driver per job"

Job = Callable[[str], Awaitable[object]]


@asynccontextmanager
async def contenders(site: DemoSite) -> AsyncGenerator[dict[str, Job]]:
    chromium = ensure_chromium(print)
    sandbox, metrics = os.geteuid() != 0, Metrics("bench", "bench")
    egress = Egress(Guard((site.place,)), metrics)
    async with egress.open_door() as door, async_playwright() as driver:
        launch = Launch(chromium=chromium, sandbox=sandbox)
        async with Engine(launch, slots=1, recycle_after=500, metrics=metrics) as engine:
            action = make_actions(engine, egress, metrics)[TASK]

            async def warm(url: str) -> object:
                return await action.run(run_of(url))

            async def own_browser(url: str) -> object:
                return await open_once(driver, launch, door.url, url)

            async def own_driver(url: str) -> object:
                async with async_playwright() as mine:
                    return await open_once(mine, launch, door.url, url)

            yield {WARM: warm, OWN_BROWSER: own_browser, OWN_DRIVER: own_driver}


async def open_once(driver: Playwright, launch: Launch, proxy: str, url: str) -> str:
    """Do the same work as the action, with a browser that lives for this page."""
    browser = await driver.chromium.launch(
        executable_path=launch.chromium,
        args=list(FLAGS),
        proxy={"server": proxy},
        chromium_sandbox=launch.sandbox,
    )
    page = await browser.new_page()
    await page.goto(url)
    await page.title()
    text = await page.inner_text("body")
    await browser.close()
    return text


def run_of(url: str) -> Run:
    async def tell(_progress: Progress) -> None: ...

    async def is_cancelled() -> bool:
        return False

    return Run(
        build_job_envelope(task_type=TASK),
        NavigateAndExtractTextParams(url=url),
        clock=SystemClock(),
        seconds=60,
        tell=tell,
        is_cancelled=is_cancelled,
    )


async def measure(rounds: int) -> dict[str, list[float]]:
    with DemoSite() as site:
        async with contenders(site) as jobs:
            times: dict[str, list[float]] = {name: [] for name in jobs}
            for number in range(-2, rounds):  # the first two warm up caches of the machine's
                for name, job in jobs.items():
                    began = time.perf_counter()
                    await job(f"{site.url}/article")
                    if number >= 0:
                        times[name].append(time.perf_counter() - began)
            return times


async def measure_side_by_side(rounds: int, slots: int) -> float:
    """Count warm jobs a second where as many run at once as there are slots."""
    metrics = Metrics("bench", "bench")
    with DemoSite() as site:
        egress = Egress(Guard((site.place,)), metrics)
        launch = Launch(chromium=ensure_chromium(print), sandbox=os.geteuid() != 0)
        async with Engine(launch, slots=slots, recycle_after=500, metrics=metrics) as engine:
            action = make_actions(engine, egress, metrics)[TASK]
            await action.run(run_of(f"{site.url}/article"))
            began = time.perf_counter()
            jobs = (action.run(run_of(f"{site.url}/article")) for _ in range(rounds))
            await asyncio.gather(*jobs)
            return rounds / (time.perf_counter() - began)


def show(times: dict[str, list[float]], rates: dict[int, float]) -> bool:
    medians = {name: statistics.median(found) for name, found in times.items()}
    print(f"{'open + extract, one at a time':32}{'median':>10}{'p95':>10}{'x warm':>9}")
    for name, found in times.items():
        p95 = statistics.quantiles(found, n=20)[18]
        median = medians[name]
        print(
            f"{name:32}{median * 1000:>7.0f} ms{p95 * 1000:>7.0f} ms{median / medians[WARM]:>8.1f}x"
        )
    for slots, rate in rates.items():
        print(f"{f'warm, {slots} at once':32}{rate:>7.1f} jobs/s")
    share = medians[WARM] / medians[OWN_BROWSER]
    held = medians[WARM] <= MOST_SECONDS and share <= MOST_SHARE
    print(
        f"gate: {medians[WARM]:.3f} s (≤ {MOST_SECONDS}), {share:.2f} of a browser per job "
        f"(≤ {MOST_SHARE}): {'held' if held else 'MISSED'}"
    )
    return held


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--short", action="store_true", help="a quick look: 5 rounds")
    parser.add_argument("--soak", action="store_true", help="mixed jobs, and what they leave")
    parser.add_argument("--jobs", type=int, default=1_000, help="of a soak")
    chosen = parser.parse_args()
    configure_logging("bench", "bench", level="CRITICAL" if chosen.soak else "ERROR")
    if chosen.soak:
        with own_temporary_folder():
            return 0 if uvloop.run(soak(chosen.jobs)) else 1
    rounds = 5 if chosen.short else chosen.rounds
    times = uvloop.run(measure(rounds))
    rates = {slots: uvloop.run(measure_side_by_side(2 * rounds, slots)) for slots in (1, 2, 4)}
    return 0 if show(times, rates) else 1


if __name__ == "__main__":
    sys.exit(main())
