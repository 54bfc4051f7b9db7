"""Runs a worker process: Redis, one topic of envelopes, health, metrics and a clean shutdown."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from msaas.contracts import get_task
from msaas.kernel import PeriodicTask
from msaas.messaging import ConsumerTimings, Messenger, RedisBroker
from msaas.settings import RedisSettings
from msaas.telemetry import (
    Metrics,
    configure_logging,
    configure_tracing,
    log_task_failure,
    shutdown_tracing,
)
from msaas.web import Health, create_internal_app, run_process
from msaas.worker.active_runs import DEPENDENCY_ERRORS
from msaas.worker.artifact_uploads import HttpArtifactUploader
from msaas.worker.job_worker import JobWorker
from msaas.worker.run_context import Action
from msaas.worker.runtime_flags import FLAG_REFRESH_SECONDS, RuntimeFlags

ReadinessCheck = Callable[[], Awaitable[object]]

# Time after draining, to cancel runs that are late and to report them as lost.
_SHUTDOWN_GRACE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class WorkerProcess:
    """The properties of one kind of worker."""

    kind: str
    topic: str
    slots: int
    internal_address: tuple[str, int]
    metrics: Metrics
    checks: Mapping[str, ReadinessCheck] = field(default_factory=dict[str, ReadinessCheck])
    timings: ConsumerTimings = field(default_factory=ConsumerTimings)


def prepare_worker(kind: str, settings: RedisSettings) -> Metrics:
    """Set up logs, traces and metrics; called before anything is logged."""
    environment = str(settings.environment)
    configure_logging(kind, environment, level=settings.log_level)
    configure_tracing(
        kind,
        environment,
        endpoint=settings.otel_exporter_otlp_endpoint,
        sample_ratio=settings.otel_traces_sampler_arg,
    )
    return Metrics(kind, environment)


async def serve_worker(
    process: WorkerProcess,
    settings: RedisSettings,
    actions: Collection[Action],
    flag_defaults: Mapping[str, bool],
) -> None:
    """Work until SIGTERM; then read nothing more, and finish or release what runs."""
    environment = str(settings.environment)
    kind, slots, metrics, timings = process.kind, process.slots, process.metrics, process.timings
    broker = RedisBroker(settings.redis_url.get_secret_value(), metrics=metrics)
    messenger = Messenger(broker, kind, environment, metrics=metrics, timings=timings)
    name = f"{kind}@{socket.gethostname()}:{os.getpid()}"
    uploader = HttpArtifactUploader()
    flag_names = {name for action in actions for name in get_task(action.task_type).flags}
    flags = RuntimeFlags(broker, environment, flag_defaults, flag_names)
    flag_task = PeriodicTask(
        "flags", flags.refresh, period=FLAG_REFRESH_SECONDS, report_failure=log_task_failure
    )
    JobWorker(
        messenger,
        process.topic,
        actions,
        slots=slots,
        name=name,
        metrics=metrics,
        uploader=uploader,
        flags=flags,
    )
    health = Health({"redis": broker.now_ms, **process.checks})

    async def work(stop: asyncio.Event) -> None:
        with suppress(*DEPENDENCY_ERRORS):
            await flags.refresh()
        async with asyncio.TaskGroup() as group:
            group.create_task(flag_task.run())
            group.create_task(messenger.run())
            health.start()
            await stop.wait()
            messenger.drain()
            flag_task.drain()

    try:
        await run_process(
            work,
            internal_app=create_internal_app(health, metrics),
            internal_address=process.internal_address,
            health=health,
            drain_seconds=timings.drain_timeout + _SHUTDOWN_GRACE_SECONDS,
        )
    finally:
        await uploader.close()
        await broker.close()
        shutdown_tracing()
