"""Puts the worker together: the way out, the engine, the actions, and the fleet's job worker."""

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final

from msaas.browser_worker.actions.base import BrowserAction
from msaas.browser_worker.actions.crawling import CrawlSiteAction
from msaas.browser_worker.actions.drawing import CaptureScreenshotAction, RenderPdfAction
from msaas.browser_worker.actions.links import ExtractLinksAction
from msaas.browser_worker.actions.markdown import ExtractMarkdownAction
from msaas.browser_worker.actions.navigation import NavigateAndExtractTextAction
from msaas.browser_worker.actions.steps import RunStepsAction
from msaas.browser_worker.actions.structured import ExtractStructuredAction
from msaas.browser_worker.browser import Launch
from msaas.browser_worker.chromium import find_chromium
from msaas.browser_worker.config import Settings
from msaas.browser_worker.egress import Egress
from msaas.browser_worker.engine import Engine, Wear, make_breaker
from msaas.browser_worker.flags import FlaggedAction, FlagsOff
from msaas.browser_worker.fleet_places import find_wire, join_place, list_own_addresses
from msaas.browser_worker.guard import Guard
from msaas.browser_worker.limits import MEGABYTE, Limits
from msaas.browser_worker.lookups import Lookups
from msaas.kernel import SystemClock
from msaas.telemetry import Metrics
from msaas.worker import Action, WorkerProcess, prepare_worker, serve_worker

KIND = "browser-worker"
TOPIC = "jobs.browser"
ACTIONS: Final[Mapping[str, type[BrowserAction]]] = MappingProxyType(
    {
        "navigate_and_extract_text": NavigateAndExtractTextAction,
        "extract_markdown": ExtractMarkdownAction,
        "extract_structured": ExtractStructuredAction,
        "extract_links": ExtractLinksAction,
        "capture_screenshot": CaptureScreenshotAction,
        "render_pdf": RenderPdfAction,
        "run_steps": RunStepsAction,
        "crawl_site": CrawlSiteAction,
    }
)


async def serve(settings: Settings) -> None:
    chromium = find_chromium(settings.chromium)
    sandbox = os.geteuid() != 0 if settings.sandbox is None else settings.sandbox
    metrics = prepare_worker(KIND, settings)
    limits = make_limits(settings)
    guard = await make_guard(settings)
    launch = Launch(chromium=chromium, sandbox=sandbox, memory=limits.memory)
    make_engine = partial(
        Engine,
        slots=settings.concurrency,
        recycle_after=settings.recycle_after,
        wear=Wear(settings.recycle_hours * 3_600, settings.recycle_megabytes * MEGABYTE),
        metrics=metrics,
        breaker=make_breaker(metrics, SystemClock()),
    )
    pictured = make_engine(replace(launch, pictures=True), is_warm=False)
    async with (
        Egress(guard, metrics, limits=limits) as egress,
        make_engine(launch) as engine,
        pictured,
    ):
        process = WorkerProcess(
            kind=KIND,
            topic=TOPIC,
            slots=settings.concurrency,
            internal_address=(settings.internal_host, settings.internal_port),
            metrics=metrics,
            checks={"browser": engine.ping},
        )
        actions = make_actions(engine, egress, metrics, pictured=pictured)
        flags = FlagsOff(settings.list_flags_off())
        flagged = {name: FlaggedAction(one, name, flags) for name, one in actions.items()}
        await serve_worker(process, settings, flagged)


def make_limits(settings: Settings) -> Limits:
    return Limits(
        received=settings.max_received_mb * MEGABYTE, memory=settings.max_memory_mb * MEGABYTE
    )


async def make_guard(settings: Settings) -> Guard:
    """Forbid the fleet's own doors, whatever the operator allows beside them."""
    own = list_own_addresses()
    wire = await find_wire(settings.redis_url.get_secret_value(), Lookups().find)
    inside = [join_place(address, settings.internal_port) for address in own]
    return Guard(
        settings.allowed_hosts,
        denied=[*settings.denied_hosts, *wire, *inside],
        own=own,
        ports=settings.ports,
    )


def make_actions(
    engine: Engine, egress: Egress, metrics: Metrics, *, pictured: Engine | None = None
) -> Mapping[str, Action]:
    """`pictured` is the browser for what is looked at; without one, the pages have no pictures."""
    return {
        name: kind(engine, egress, metrics, pictured=pictured) for name, kind in ACTIONS.items()
    }
