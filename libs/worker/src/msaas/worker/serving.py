"""Runs a worker process: the wire, one topic of envelopes, health and metrics, and a clean end."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from msaas.messaging import ConsumerTimings, Messenger, RedisBroker
from msaas.settings import RedisSettings
from msaas.telemetry import Metrics, configure_logging, configure_tracing, shutdown_tracing
from msaas.web import Health, create_internal_app, run_process
from msaas.worker.artifact_uploads import HttpArtifactUploader
from msaas.worker.job_worker import JobWorker
from msaas.worker.run_context import Action

ReadinessCheck = Callable[[], Awaitable[object]]

# After the time in which runs may end: to cancel what is late, and to report it as handed back.
_SHUTDOWN_GRACE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class WorkerProcess:
    """What tells one kind of worker from another."""

    kind: str
    topic: str
    slots: int
    internal_address: tuple[str, int]
    metrics: Metrics
    checks: Mapping[str, ReadinessCheck] = field(default_factory=dict[str, ReadinessCheck])
    timings: ConsumerTimings = field(default_factory=ConsumerTimings)


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
    broker = RedisBroker(settings.redis_url.get_secret_value())
    kind, slots, metrics, timings = process.kind, process.slots, process.metrics, process.timings
    messenger = Messenger(broker, kind, environment, metrics=metrics, timings=timings)
    name = f"{kind}@{socket.gethostname()}:{os.getpid()}"
    uploader = HttpArtifactUploader()
    JobWorker(
        messenger,
        process.topic,
        actions,
        slots=slots,
        name=name,
        metrics=metrics,
        uploader=uploader,
    )
    health = Health({"wire": broker.now_ms, **process.checks})

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
            drain_seconds=timings.drain_timeout + _SHUTDOWN_GRACE_SECONDS,
        )
    finally:
        await uploader.close()
        await broker.close()
        shutdown_tracing()
