"""Assembles the worker: egress proxies, browser engines, actions and the job worker."""

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from msaas.browser_worker.action_registry import find_action_types
from msaas.browser_worker.browser.chromium import find_chromium
from msaas.browser_worker.browser.instance import ChromiumLauncher
from msaas.browser_worker.config import Settings
from msaas.browser_worker.egress.own_addresses import (
    format_endpoint,
    list_own_addresses,
    resolve_broker_endpoints,
)
from msaas.browser_worker.egress.policy import EgressPolicy
from msaas.browser_worker.egress.proxy import EgressProxyFactory
from msaas.browser_worker.egress.resolver import Resolver
from msaas.browser_worker.engine import Engine, RecyclePolicy, make_breaker
from msaas.browser_worker.limits import MEGABYTE, Limits
from msaas.kernel import SystemClock
from msaas.telemetry import Metrics
from msaas.worker import Action, WorkerProcess, prepare_worker, serve_worker

KIND = "browser-worker"
TOPIC = "jobs.browser"


async def serve(settings: Settings, flag_defaults: Mapping[str, bool]) -> None:
    chromium = find_chromium(settings.chromium)
    sandbox = os.geteuid() != 0 if settings.sandbox is None else settings.sandbox
    metrics = prepare_worker(KIND, settings)
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


def make_limits(settings: Settings) -> Limits:
    return Limits(
        received=settings.max_received_mb * MEGABYTE, memory=settings.max_memory_mb * MEGABYTE
    )


async def make_egress_policy(settings: Settings) -> EgressPolicy:
    """Deny the fleet's own endpoints, whatever else the operator allows."""
    own_addresses = list_own_addresses()
    broker_endpoints = await resolve_broker_endpoints(
        settings.redis_url.get_secret_value(), Resolver().resolve
    )
    internal_endpoints = [
        format_endpoint(address, settings.internal_port) for address in own_addresses
    ]
    return EgressPolicy(
        settings.allowed_hosts,
        denied=[*settings.denied_hosts, *broker_endpoints, *internal_endpoints],
        own_addresses=own_addresses,
        ports=settings.ports,
    )


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
