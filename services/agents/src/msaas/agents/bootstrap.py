"""Builds and runs the service; no other module names an adapter."""

import asyncio

from msaas.agents.settings import Settings
from msaas.messaging import RedisBroker
from msaas.telemetry import (
    Metrics,
    configure_logging,
    configure_tracing,
    instrument,
    shutdown_tracing,
)
from msaas.web import Health, create_internal_app, run_process

SERVICE = "agents"


async def serve(settings: Settings) -> None:
    environment = str(settings.environment)
    configure_logging(SERVICE, environment, level=settings.log_level)
    configure_tracing(
        SERVICE,
        environment,
        endpoint=settings.otel_exporter_otlp_endpoint,
        sample_ratio=settings.otel_traces_sampler_arg,
    )
    instrument("redis")
    broker = RedisBroker(settings.redis_url.get_secret_value())
    try:
        await run_service(broker, Metrics(SERVICE, environment), settings)
    finally:
        await broker.close()
        shutdown_tracing()


async def run_service(broker: RedisBroker, metrics: Metrics, settings: Settings) -> None:
    health = Health({"broker": broker.now_ms})

    async def work(stop: asyncio.Event) -> None:
        health.start()
        await stop.wait()

    await run_process(
        work,
        internal_app=create_internal_app(health, metrics),
        internal_address=(settings.internal_host, settings.internal_port),
        health=health,
    )
