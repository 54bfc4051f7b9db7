"""Assembles the service: the only module that names ports and adapters."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from msaas.billing.settings import Settings
from msaas.kernel import PeriodicTask
from msaas.messaging import ConsumerTimings, Messenger, RedisBroker
from msaas.postgres import Database, PostgresConfig
from msaas.telemetry import (
    Metrics,
    configure_logging,
    configure_tracing,
    instrument,
    shutdown_tracing,
)
from msaas.web import Health, create_internal_app, run_process

SERVICE = "billing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The consumers and periodic tasks of one process."""

    messenger: Messenger
    tasks: Sequence[PeriodicTask]

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`, then begin nothing new and end what has begun."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.messenger.run(), name="messenger")
            for task in self.tasks:
                group.create_task(task.run(), name=task.name)
            await stop.wait()
            for task in self.tasks:
                task.drain()
            self.messenger.drain()


def assemble(
    broker: RedisBroker,
    environment: str,
    metrics: Metrics,
    *,
    timings: ConsumerTimings | None = None,
) -> Service:
    """Build what `serve` runs: consumers of commands, webhooks and usage."""
    messenger = Messenger(broker, SERVICE, environment, metrics=metrics, timings=timings)
    return Service(messenger=messenger, tasks=[])


async def serve(settings: Settings) -> None:
    environment = str(settings.environment)
    configure_logging(SERVICE, environment, level=settings.log_level)
    configure_tracing(
        SERVICE,
        environment,
        endpoint=settings.otel_exporter_otlp_endpoint,
        sample_ratio=settings.otel_traces_sampler_arg,
    )
    instrument("asyncpg", "redis")
    metrics = Metrics(SERVICE, environment)
    broker = RedisBroker(settings.redis_url.get_secret_value(), metrics=metrics)
    config = PostgresConfig(settings.database_url.get_secret_value())
    try:
        async with Database(config, metrics) as database:
            service = assemble(broker, environment, metrics)
            health = Health({"db": database.ping, "redis": broker.now_ms})
            await _run(service, health, metrics, settings)
    finally:
        await broker.close()
        shutdown_tracing()


async def _run(service: Service, health: Health, metrics: Metrics, settings: Settings) -> None:
    async def work(stop: asyncio.Event) -> None:
        health.start()
        await service.run(stop)

    await run_process(
        work,
        internal_app=create_internal_app(health, metrics),
        internal_address=(settings.internal_host, settings.internal_port),
        health=health,
    )
