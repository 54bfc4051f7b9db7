"""Fixtures of the browser benchmark: engines on the demo site, and baselines."""

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from measured_processes import list_family
from playwright.async_api import Browser, Playwright
from pydantic_core import to_json

from msaas.browser_worker.browser.chromium import CHROMIUM_FLAGS, NO_IMAGES_FLAGS
from msaas.browser_worker.browser.instance import ChromiumLauncher
from msaas.browser_worker.config import Settings
from msaas.browser_worker.egress.policy import EgressPolicy
from msaas.browser_worker.egress.proxy import EgressProxyFactory
from msaas.browser_worker.engine import Engine
from msaas.browser_worker.limits import Limits
from msaas.browser_worker.run import make_actions
from msaas.contracts import Artifact, Progress, get_task
from msaas.kernel import SystemClock
from msaas.local.chromium import ensure_chromium
from msaas.local.demo_site import DemoSite
from msaas.telemetry import Metrics
from msaas.testing import build_job_envelope
from msaas.worker import Action, RunContext

# As in production.
RECYCLE_AFTER: int = Settings.model_fields["recycle_after"].default
DEFAULT_LIMITS = Limits()
TEXT = "navigate_and_extract_text"
ARTICLE = "/article"
# The path and parameters of each task on the demo site.
TASKS: Mapping[str, tuple[str, dict[str, Any]]] = {
    TEXT: (ARTICLE, {}),
    "extract_markdown": (ARTICLE, {}),
    "extract_structured": (
        "/list",
        {
            "fields": {
                "lights": {
                    "selector": "tbody tr",
                    "many": True,
                    "fields": {"name": {"selector": "td:nth-child(2)"}},
                }
            }
        },
    ),
    "extract_links": ("/", {}),
    "capture_screenshot": (ARTICLE, {"full_page": True}),
    "render_pdf": (ARTICLE, {}),
    "run_steps": (
        "/form",
        {
            "steps": [
                {"do": "fill", "selector": "[name=seen]", "text": "two flashes"},
                {"do": "click", "selector": "button"},
                {"do": "extract", "name": "report", "selector": "#report"},
            ]
        },
    ),
    "crawl_site": ("/", {"max_pages": 5}),
}


@dataclass(frozen=True)
class BrowserFixture:
    """A warm engine, its actions and the site they visit."""

    engine: Engine
    launch: ChromiumLauncher
    actions: Mapping[str, Action]
    site: DemoSite
    proxy: str

    async def visit(self, url: str, timeout_ms: int) -> object:
        return await self.actions[TEXT].run(build_run(TEXT, url, {"timeout_ms": timeout_ms}))

    async def run_task(self, task_type: str) -> object:
        path, params = TASKS[task_type]
        return await self.actions[task_type].run(build_run(task_type, self.site.url + path, params))


@asynccontextmanager
async def open_fixture(
    slots: int = 1,
    other_sites: Sequence[str] = (),
    limits: Limits = DEFAULT_LIMITS,
) -> AsyncGenerator[BrowserFixture]:
    metrics, site = Metrics("bench", "bench"), DemoSite()
    factory = EgressProxyFactory(EgressPolicy((site.address, *other_sites)), metrics, limits=limits)
    launch = ChromiumLauncher(
        chromium=ensure_chromium(print), sandbox=os.geteuid() != 0, max_memory=limits.memory
    )
    make_engine = partial(Engine, slots=slots, recycle_after=RECYCLE_AFTER, metrics=metrics)
    engine = make_engine(launch)
    image_engine = make_engine(replace(launch, load_images=True), is_warm=False)
    with site:
        async with factory as egress, engine, image_engine, egress.open_proxy() as proxy:
            actions = make_actions(engine, egress, metrics, image_engine=image_engine)
            yield BrowserFixture(engine, launch, actions, site, proxy.url)


async def open_and_read(driver: Playwright, fixture: BrowserFixture, url: str) -> None:
    """Do the work of the text task with a browser for this page only."""
    browser = await launch_browser(driver, fixture, fixture.launch.chromium)
    await read_page(browser, url)
    await browser.close()


async def launch_browser(driver: Playwright, fixture: BrowserFixture, chromium: Path) -> Browser:
    return await driver.chromium.launch(
        executable_path=chromium,
        args=[*CHROMIUM_FLAGS, *NO_IMAGES_FLAGS],
        proxy={"server": fixture.proxy},
        chromium_sandbox=fixture.launch.sandbox,
    )


async def read_page(browser: Browser, url: str) -> None:
    page = await browser.new_page()
    await page.goto(url)
    await page.title()
    await page.inner_text("body")
    await page.close()  # also closes its context


def build_run(task_type: str, url: str, params: Mapping[str, Any]) -> RunContext:
    async def send_progress(_progress: Progress) -> None: ...

    async def is_cancelled() -> bool:
        return False

    async def save_artifact(name: str, content: bytes, content_type: str) -> Artifact:
        return Artifact(name=name, content_type=content_type, size=len(content), sha256="0" * 64)

    return RunContext(
        build_job_envelope(task_type=task_type),
        get_task(task_type).params.model_validate_json(to_json({"url": url, **params})),
        clock=SystemClock(),
        timeout=60,
        send_progress=send_progress,
        is_cancelled=is_cancelled,
        save_artifact=save_artifact,
    )


def measure_memory() -> int:
    """Return the unique memory of this process and all its descendants."""
    return sum(map(own_memory, list_family()))


def own_memory(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().uss
    except psutil.Error:  # the process has just ended
        return 0


BenchmarkJob = Callable[[], Awaitable[object]]
