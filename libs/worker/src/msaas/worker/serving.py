"""Runs a worker process: the wire, one topic of envelopes, health and metrics, and a clean end."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from msaas.messaging import Messenger, Pace, RedisWire
from msaas.settings import RedisSettings
from msaas.telemetry import Metrics, configure_logging, configure_tracing, shutdown_tracing
from msaas.web import Health, create_internal_app, run_process
from msaas.worker.job_worker import JobWorker
from msaas.worker.run import Action
from msaas.worker.under_way import RESULTS
from msaas.worker.uploads import HttpUploads

Check = Callable[[], Awaitable[object]]

# After the time in which runs may end: to cancel what is late, and to report it as handed back.
_REPORTING_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class WorkerProcess:
    """What tells one kind of worker from another."""

    kind: str
    topic: str
    slots: int
    internal_address: tuple[str, int]
    metrics: Metrics
    checks: Mapping[str, Check] = field(default_factory=dict[str, Check])
    pace: Pace = field(default_factory=Pace)


def prepare_worker(kind: str, settings: RedisSettings) -> Metrics:
    """Set up what is seen of the process; to be called before anything is logged."""
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
    process: WorkerProcess, settings: RedisSettings, actions: Mapping[str, Action]
) -> None:
    """Work until SIGTERM; then read nothing more, end what runs or hand it back."""
    environment = str(settings.environment)
    wire = RedisWire(settings.redis_url.get_secret_value())
    kind, slots, metrics, pace = process.kind, process.slots, process.metrics, process.pace
    messenger = Messenger(wire, kind, environment, metrics=metrics, produces=[RESULTS], pace=pace)
    name = f"{kind}@{socket.gethostname()}:{os.getpid()}"
    uploads = HttpUploads()
    JobWorker(
        messenger,
        process.topic,
        actions,
        slots=slots,
        name=name,
        metrics=metrics,
        uploads=uploads,
    )
    health = Health({"wire": wire.now_ms, **process.checks})

    async def work(stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(messenger.run())
            health.start()
            await stop.wait()
            messenger.drain()

    try:
        await run_process(
            work,
            internal_app=create_internal_app(health, metrics),
            internal_address=process.internal_address,
            health=health,
            drain_seconds=pace.drain + _REPORTING_SECONDS,
        )
    finally:
        await uploads.close()
        await wire.close()
        shutdown_tracing()
