"""Puts the worker together: the way out, the engine, the actions, and the fleet's job worker."""

import os
from collections.abc import Mapping

from msaas.browser_worker.actions.navigation import NavigateAndExtractTextAction
from msaas.browser_worker.browser import Launch
from msaas.browser_worker.chromium import find_chromium
from msaas.browser_worker.config import Settings
from msaas.browser_worker.egress import Egress, look_up
from msaas.browser_worker.engine import Engine
from msaas.browser_worker.fleet_places import find_wire, join_place, list_own_addresses
from msaas.browser_worker.guard import Guard
from msaas.browser_worker.limits import MEGABYTE, Limits
from msaas.telemetry import Metrics
from msaas.worker import Action, WorkerProcess, prepare_worker, serve_worker

KIND = "browser-worker"
TOPIC = "jobs.browser"


async def serve(settings: Settings) -> None:
    chromium = find_chromium(settings.chromium)
    sandbox = os.geteuid() != 0 if settings.sandbox is None else settings.sandbox
    metrics = prepare_worker(KIND, settings)
    limits = make_limits(settings)
    egress = Egress(await make_guard(settings), metrics, limits=limits)
    engine = Engine(
        Launch(chromium=chromium, sandbox=sandbox, memory=limits.memory),
        slots=settings.concurrency,
        recycle_after=settings.recycle_after,
        metrics=metrics,
    )
    async with engine:
        process = WorkerProcess(
            kind=KIND,
            topic=TOPIC,
            slots=settings.concurrency,
            internal_address=(settings.internal_host, settings.internal_port),
            metrics=metrics,
            checks={"browser": engine.ping},
        )
        await serve_worker(process, settings, make_actions(engine, egress, metrics))


def make_limits(settings: Settings) -> Limits:
    return Limits(
        received=settings.max_received_mb * MEGABYTE, memory=settings.max_memory_mb * MEGABYTE
    )


async def make_guard(settings: Settings) -> Guard:
    """Forbid the fleet's own doors, whatever the operator allows beside them."""
    own = list_own_addresses()
    wire = await find_wire(settings.redis_url.get_secret_value(), look_up)
    inside = [join_place(address, settings.internal_port) for address in own]
    return Guard(
        settings.allowed_hosts,
        denied=[*settings.denied_hosts, *wire, *inside],
        own=own,
        ports=settings.ports,
    )


def make_actions(engine: Engine, egress: Egress, metrics: Metrics) -> Mapping[str, Action]:
    return {
        "navigate_and_extract_text": NavigateAndExtractTextAction(engine, egress, metrics),
    }
