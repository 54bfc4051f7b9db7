"""Assembles the worker: egress proxies, browser engines, actions and the job worker."""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from msaas.browser_worker.action_registry import find_action_types
from msaas.browser_worker.browser.chromium import find_chromium
from msaas.browser_worker.browser.instance import ChromiumLauncher
from msaas.browser_worker.config import Settings
from msaas.browser_worker.egress.denied_names import REFRESH_SECONDS, DeniedNames
from msaas.browser_worker.egress.own_addresses import (
    find_broker_host,
    format_endpoint,
    list_own_addresses,
    list_own_networks,
    resolve_broker_endpoints,
)
from msaas.browser_worker.egress.policy import EgressPolicy
from msaas.browser_worker.egress.proxy import EgressProxyFactory
from msaas.browser_worker.egress.resolver import Resolver
from msaas.browser_worker.engine import Engine, RecyclePolicy, make_breaker
from msaas.browser_worker.limits import MEGABYTE, Limits
from msaas.kernel import PeriodicTask, SystemClock
from msaas.settings import SettingsInvalid
from msaas.telemetry import Metrics, log_task_failure
from msaas.worker import Action, WorkerProcess, prepare_worker, serve_worker

KIND = "browser-worker"
TOPIC = "jobs.browser"


async def serve(settings: Settings, flag_defaults: Mapping[str, bool]) -> None:
    chromium = find_chromium(settings.chromium)
    metrics = prepare_worker(KIND, settings)
    sandbox = choose_sandbox(settings, metrics, is_root=os.geteuid() == 0)
    limits = make_limits(settings)
    egress_policy = await make_egress_policy(settings)
    launcher = ChromiumLauncher(
        chromium=chromium,
        sandbox=sandbox,
        max_memory=limits.memory,
        max_shared_memory=limits.shared_memory,
    )
    make_engine = partial(
        Engine,
        slots=settings.concurrency,
        recycle_after=settings.recycle_after,
        recycle_policy=RecyclePolicy(
            settings.recycle_hours * 3_600, settings.recycle_megabytes * MEGABYTE
        ),
        metrics=metrics,
        breaker=make_breaker(metrics, SystemClock()),
    )
    image_engine = make_engine(replace(launcher, load_images=True), is_warm=False)
    async with (
        refresh_denied_names(settings, egress_policy),
        EgressProxyFactory(egress_policy, metrics, limits=limits) as proxies,
        make_engine(launcher) as engine,
        image_engine,
    ):
        process = WorkerProcess(
            kind=KIND,
            topic=TOPIC,
            slots=settings.concurrency,
            internal_address=(settings.internal_host, settings.internal_port),
            metrics=metrics,
            checks={"browser": engine.ping},
        )
        actions = make_actions(engine, proxies, metrics, image_engine=image_engine)
        await serve_worker(process, settings, actions.values(), flag_defaults)


def choose_sandbox(settings: Settings, metrics: Metrics, *, is_root: bool) -> bool:
    """Root cannot use the sandbox, which only local mode accepts without being told."""
    sandbox = settings.sandbox
    if sandbox is None:
        if is_root and not settings.environment.is_local:
            problem = "is not set, and root runs a browser without a sandbox: use another user"
            raise SettingsInvalid({"BROWSER_WORKER_SANDBOX": f"{problem}, or set it to false"})
        sandbox = not is_root
    metrics.gauge("jobs_browser_sandbox", "1 if the browser runs in its sandbox.").set(int(sandbox))
    return sandbox


def make_limits(settings: Settings) -> Limits:
    return Limits(
        received=settings.max_received_mb * MEGABYTE, memory=settings.max_memory_mb * MEGABYTE
    )


async def make_egress_policy(settings: Settings) -> EgressPolicy:
    """Deny the fleet's own endpoints, whatever else the operator allows."""
    broker_endpoints = await resolve_broker_endpoints(
        settings.redis_url.get_secret_value(), Resolver().resolve
    )
    internal_endpoints = [
        format_endpoint(address, settings.internal_port) for address in list_own_addresses()
    ]
    return EgressPolicy(
        settings.allowed_hosts,
        denied=[*settings.denied_hosts, *broker_endpoints, *internal_endpoints],
        own_addresses=list_own_networks(),
        ports=settings.ports,
    )


@asynccontextmanager
async def refresh_denied_names(settings: Settings, policy: EgressPolicy) -> AsyncGenerator[None]:
    """Deny the addresses of denied hosts and of Redis, also where they change."""
    broker = find_broker_host(settings.redis_url.get_secret_value())
    denied = [*settings.denied_hosts, *([broker] if broker else [])]
    names = DeniedNames(policy, denied, Resolver().resolve)
    await names.refresh()
    task = PeriodicTask(
        "denied-names", names.refresh, period=REFRESH_SECONDS, report_failure=log_task_failure
    )
    running = asyncio.create_task(task.run(), name=task.name)
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def make_actions(
    engine: Engine,
    proxies: EgressProxyFactory,
    metrics: Metrics,
    *,
    image_engine: Engine | None = None,
) -> Mapping[str, Action]:
    """Create every action; without `image_engine` no page loads images."""
    return {
        task_type: action_type(engine, proxies, metrics, image_pages=image_engine)
        for task_type, action_type in find_action_types().items()
    }
