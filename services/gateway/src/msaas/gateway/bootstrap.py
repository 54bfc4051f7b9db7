"""Puts the gateway together: the one module that knows ports and adapters by name."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from msaas.gateway.adapters.commands import TOPIC as COMMANDS
from msaas.gateway.adapters.commands import WireCommands
from msaas.gateway.adapters.postgres.job_views import PostgresJobViews
from msaas.gateway.adapters.postgres.summary_views import PostgresSummaryViews
from msaas.gateway.adapters.postgres.users import PostgresUsers
from msaas.gateway.adapters.view_cache import RedisViewCache
from msaas.gateway.application.live_jobs import LiveJobs
from msaas.gateway.application.read_summary import ReadSummary
from msaas.gateway.application.recent_changes import RecentChanges
from msaas.gateway.application.submit_job import JobSubmission
from msaas.gateway.entrypoints.http import (
    account,
    dead_letters,
    docs_pages,
    job_stream,
    jobs,
    summaries,
)
from msaas.gateway.entrypoints.http.job_metrics import JobMetrics
from msaas.gateway.entrypoints.topics.billing_events import TOPIC as BILLING
from msaas.gateway.entrypoints.topics.billing_events import BillingEvents
from msaas.gateway.entrypoints.topics.job_events import TOPIC as EVENTS
from msaas.gateway.entrypoints.topics.job_events import JobEvents
from msaas.gateway.entrypoints.topics.view_changes import ViewChanges
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
from msaas.web import Cors, Health, create_app, create_internal_app, problem_pages, serve
from msaas.web.auth import Authenticator, TokenVerifier

SERVICE = "gateway"
SUMMARIES_AT_ONCE = 4
# How many seconds a summary is kept, as long as no event changes it.
A_SUM, A_DAY_OF_SUMS, ON_A_REPLICA = 60.0, 3600.0, 10.0
# The stream comes before the jobs: its path looks like a job's.
ROUTERS = (
    account.router,
    job_stream.router,
    jobs.router,
    summaries.router,
    dead_letters.router,
)
# For people, and no part of the API that the document describes.
PAGES = (problem_pages, docs_pages.router)
_ACCEPTED = (
    "accept-language",
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
    events: JobEvents
    summaries: Database
    health: Health
    state: Mapping[str, Any]

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Mapping[str, Any]]:
        async with self.users, self.reads, self.summaries, asyncio.TaskGroup() as group:
            group.create_task(self.messenger.run())
            ending = group.create_task(self._end_streams())
            try:
                yield self.state
            finally:
                ending.cancel()
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
    summaries = open_summaries(settings, metrics)
    wire = RedisWire(settings.redis_url.get_secret_value())
    environment = str(settings.environment)
    messenger = Messenger(wire, SERVICE, environment, metrics=metrics, produces=[COMMANDS])
    verifier = TokenVerifier(
        settings.jwks_url, settings.issuer, settings.supabase_jwt_audience, metrics=metrics
    )
    resyncs = metrics.counter("msaas_sse_resyncs_total", "Readers sent to look at the record.")
    live = LiveJobs(
        per_user=settings.streams_per_user,
        per_process=settings.streams_per_process,
        on_resync=resyncs.inc,
    )
    open_streams = metrics.gauge("msaas_sse_connections", "Live streams that are open.")
    open_streams.set_function(lambda: live.open_count)
    events = JobEvents(live, metrics)
    changes = RecentChanges()
    followed = ViewChanges(events, changes)
    messenger.tail([EVENTS], followed.take_in, followed.lose_track, followed.begin)
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
        "read_summary": assemble_summaries(settings, summaries, wire, changes, metrics),
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
        events=events,
        summaries=summaries,
        health=health,
        state=state,
    )


def open_summaries(settings: Settings, metrics: Metrics) -> Database:
    """Read sums over a pool of their own, so that they keep nobody's job waiting."""
    url = settings.summaries_database_url or settings.read_database_url
    setting = PostgresSetting(url.get_secret_value(), max_size=SUMMARIES_AT_ONCE)
    return Database(setting, metrics)


def assemble_summaries(
    settings: Settings,
    database: Database,
    wire: RedisWire,
    changes: RecentChanges,
    metrics: Metrics,
) -> ReadSummary:
    # A replica may be read before it has what an event told of: that must not be kept for long.
    most = ON_A_REPLICA if settings.summaries_database_url else A_DAY_OF_SUMS
    environment = str(settings.environment)

    def keep(name: str, seconds: float) -> RedisViewCache:
        seconds = min(seconds, most)
        return RedisViewCache(wire, environment, name, seconds=seconds, metrics=metrics)

    return ReadSummary(
        PostgresSummaryViews(database),
        changes,
        briefly=keep("summaries", A_SUM),
        daily=keep("daily-summaries", A_DAY_OF_SUMS),
    )


def create_gateway_app(gateway: Gateway, settings: Settings, metrics: Metrics) -> ASGIApp:
    def lifespan(_app: FastAPI) -> AbstractAsyncContextManager[Mapping[str, Any]]:
        return gateway.running()

    cors = [Middleware(Cors, settings.cors_origins, _ACCEPTED, _EXPOSED)]
    return create_app(
        title=SERVICE,
        metrics=metrics,
        routers=(*ROUTERS, *PAGES),
        lifespan=lifespan,
        hosts=settings.allowed_hosts,
        cors=cors if settings.cors_origins else (),
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
