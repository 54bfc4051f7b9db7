"""Puts the gateway together: the one module that knows ports and adapters by name."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from msaas.gateway.adapters.commands import TOPIC as COMMANDS
from msaas.gateway.adapters.commands import WireCommands
from msaas.gateway.adapters.postgres.job_views import PostgresJobViews
from msaas.gateway.adapters.postgres.users import PostgresUsers
from msaas.gateway.application.attend_streams import StreamAttendant
from msaas.gateway.application.live_jobs import LiveJobs
from msaas.gateway.application.submit_job import JobSubmission
from msaas.gateway.entrypoints.http import account, dead_letters, job_stream, jobs
from msaas.gateway.entrypoints.http.job_metrics import JobMetrics
from msaas.gateway.entrypoints.topics.billing_events import TOPIC as BILLING
from msaas.gateway.entrypoints.topics.billing_events import BillingEvents
from msaas.gateway.entrypoints.topics.job_events import TOPIC as EVENTS
from msaas.gateway.entrypoints.topics.job_events import JobEvents
from msaas.gateway.settings import Settings
from msaas.messaging import Messenger, RedisWire
from msaas.postgres import Database, PostgresSetting
from msaas.sealing import PublicKey, Sealer
from msaas.telemetry import (
    Metrics,
    configure_logging,
    configure_tracing,
    instrument,
    shutdown_tracing,
)
from msaas.web import Health, create_app, create_internal_app, serve
from msaas.web.auth import Authenticator, TokenVerifier

SERVICE = "gateway"
# The stream comes before the jobs: its path looks like a job's.
ROUTERS = (account.router, job_stream.router, jobs.router, dead_letters.router)
_ACCEPTED = (
    "authorization",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "last-event-id",
    "traceparent",
    "x-client",
    "x-correlation-id",
)
_EXPOSED = ("etag", "location", "x-correlation-id", "idempotent-replayed", "retry-after")


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """All that lives as long as the process."""

    users: Database
    reads: Database
    wire: RedisWire
    messenger: Messenger
    verifier: TokenVerifier
    live: LiveJobs
    attendant: StreamAttendant
    events: JobEvents
    health: Health
    state: Mapping[str, Any]

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Mapping[str, Any]]:
        async with self.users, self.reads, asyncio.TaskGroup() as group:
            group.create_task(self.messenger.run())
            ending = group.create_task(self._end_streams())
            attending = group.create_task(self.attendant.run())
            try:
                yield self.state
            finally:
                ending.cancel()
                attending.cancel()
                self.messenger.drain()
        await self.verifier.close()
        await self.wire.close()

    async def _end_streams(self) -> None:
        """Hold no process that has to go: a stream would last as long as its token."""
        await self.health.draining.wait()
        self.live.end_all()


def assemble(settings: Settings, metrics: Metrics) -> Gateway:
    users = Database(PostgresSetting(settings.database_url.get_secret_value()), metrics)
    reads = Database(PostgresSetting(settings.read_database_url.get_secret_value()), metrics)
    wire = RedisWire(settings.redis_url.get_secret_value())
    environment = str(settings.environment)
    messenger = Messenger(wire, SERVICE, environment, metrics=metrics, produces=[COMMANDS])
    verifier = TokenVerifier(
        settings.jwks_url, settings.issuer, settings.supabase_jwt_audience, metrics=metrics
    )
    resyncs = metrics.counter("msaas_sse_resyncs_total", "Readers sent to look at the record.")
    ended = metrics.counter("msaas_sse_ended_total", "Live streams by why they ended.", ("reason",))
    live = LiveJobs(
        per_user=settings.streams_per_user,
        per_process=settings.streams_per_process,
        on_resync=resyncs.inc,
        on_end=lambda ending: ended.labels(ending).inc(),
    )
    open_streams = metrics.gauge("msaas_sse_connections", "Live streams that are open.")
    open_streams.set_function(lambda: live.open_count)
    tasks = metrics.gauge("msaas_process_tasks", "Tasks of the process's event loop.")
    tasks.set_function(lambda: len(asyncio.all_tasks()))
    events = JobEvents(live, metrics)
    messenger.tail([EVENTS], events.take_in, events.lose_track, events.begin)
    store = PostgresUsers(users)
    authenticator = Authenticator(verifier, store)
    messenger.batch(BILLING, BillingEvents(store.set_plans, authenticator.invalidate))
    commands = WireCommands(messenger.commands())
    sealer = Sealer(PublicKey.parse(settings.sealing_key))
    fingerprint_key = settings.fingerprint_key.get_secret_value().encode()
    checks = {"users": users.ping, "reads": reads.ping, "wire": wire.now_ms, "jwks": verifier.ping}
    health = Health(checks)
    state = {
        "authenticator": authenticator,
        "job_views": PostgresJobViews(reads),
        "commands": commands,
        "submit_jobs": JobSubmission(commands, fingerprint_key, sealer),
        "job_metrics": JobMetrics(metrics),
        "live_jobs": live,
        "health": health,
    }
    return Gateway(
        users=users,
        reads=reads,
        wire=wire,
        messenger=messenger,
        verifier=verifier,
        live=live,
        attendant=StreamAttendant(live, store.find_shut),
        events=events,
        health=health,
        state=state,
    )


def create_gateway_app(gateway: Gateway, settings: Settings, metrics: Metrics) -> ASGIApp:
    def lifespan(_app: FastAPI) -> AbstractAsyncContextManager[Mapping[str, Any]]:
        return gateway.running()

    app = create_app(title=SERVICE, metrics=metrics, routers=ROUTERS, lifespan=lifespan)
    if not settings.cors_origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=_ACCEPTED,
        expose_headers=_EXPOSED,
        max_age=600,
    )


async def serve_gateway(settings: Settings) -> None:
    environment = str(settings.environment)
    configure_logging(SERVICE, environment, level=settings.log_level)
    configure_tracing(
        SERVICE,
        environment,
        endpoint=settings.otel_exporter_otlp_endpoint,
        sample_ratio=settings.otel_traces_sampler_arg,
    )
    instrument("asyncpg", "redis", "httpx")
    metrics = Metrics(SERVICE, environment)
    gateway = assemble(settings, metrics)
    try:
        await serve(
            create_gateway_app(gateway, settings, metrics),
            address=(settings.host, settings.port),
            internal_app=create_internal_app(gateway.health, metrics),
            internal_address=(settings.internal_host, settings.internal_port),
            health=gateway.health,
        )
    finally:
        shutdown_tracing()
