"""Puts the gateway together: here and in `access` alone ports and adapters are known by name."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI
from fastapi.params import Depends
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from msaas.artifacts import Place, open_store
from msaas.cache import Claims, Limiter, RedisStore, ViewCache
from msaas.gateway.access import AUDIT, assemble_access
from msaas.gateway.adapters.commands import PATIENCE, WireCommands
from msaas.gateway.adapters.commands import TOPIC as COMMANDS
from msaas.gateway.adapters.postgres.holds import PostgresHolds
from msaas.gateway.adapters.postgres.job_views import PostgresJobViews
from msaas.gateway.adapters.postgres.summary_views import PostgresSummaryViews
from msaas.gateway.adapters.postgres.users import PostgresUsers
from msaas.gateway.adapters.topic_gauges import WireGauges
from msaas.gateway.application.admit_request import RequestAdmission
from msaas.gateway.application.end_shut_streams import EndShutStreams
from msaas.gateway.application.live_jobs import LiveJobs
from msaas.gateway.application.read_summary import ReadSummary
from msaas.gateway.application.recent_changes import RecentChanges
from msaas.gateway.application.repeat_requests import RequestRepeats
from msaas.gateway.application.show_files import ShowFiles
from msaas.gateway.application.submit_job import JobSubmission
from msaas.gateway.entrypoints.beats import Beat
from msaas.gateway.entrypoints.http import (
    account,
    api_keys,
    artifacts,
    dead_letters,
    docs_pages,
    flags,
    fleet,
    job_stream,
    jobs,
    summaries,
)
from msaas.gateway.entrypoints.http.callers import Callers
from msaas.gateway.entrypoints.http.cors import ACCEPTED, EXPOSED
from msaas.gateway.entrypoints.http.deprecations import DEPRECATIONS
from msaas.gateway.entrypoints.http.guards import Guard
from msaas.gateway.entrypoints.http.idempotency import Idempotency
from msaas.gateway.entrypoints.http.job_metrics import JobMetrics
from msaas.gateway.entrypoints.http.rate_limits import RateLimits
from msaas.gateway.entrypoints.topics.billing_events import TOPIC as BILLING
from msaas.gateway.entrypoints.topics.billing_events import BillingEvents
from msaas.gateway.entrypoints.topics.job_events import TOPIC as EVENTS
from msaas.gateway.entrypoints.topics.job_events import JobEvents
from msaas.gateway.entrypoints.topics.view_changes import ViewChanges
from msaas.gateway.settings import Settings
from msaas.kernel import SystemClock
from msaas.messaging import Messenger, RedisWire
from msaas.postgres import Database, PostgresSetting
from msaas.sealing import PublicKey, Sealer
from msaas.telemetry import (
    Metrics,
    circuit_metrics,
    configure_logging,
    configure_tracing,
    instrument,
    read_circuits,
    shutdown_tracing,
)
from msaas.web import (
    ClientAddresses,
    Cors,
    Health,
    create_app,
    create_internal_app,
    problem_pages,
    serve,
)
from msaas.web.auth import Authenticator, TokenVerifier

SERVICE = "gateway"
SUMMARIES_AT_ONCE = 4
# How many seconds a summary is kept, as long as no event changes it.
A_SUM, A_DAY_OF_SUMS, ON_A_REPLICA = 60.0, 3600.0, 10.0
# The stream comes before the jobs: its path looks like a job's.
ROUTERS = (
    *(account.router, job_stream.router, jobs.router, artifacts.router, summaries.router),
    *(api_keys.router, flags.router, dead_letters.router, fleet.router),
)
# For people, and no part of the API that the document describes.
PAGES = (problem_pages, docs_pages.router)
GUARDS = (Depends(Guard()),)
SHUT_ACCOUNTS_EVERY = 10.0
# How long a request may hold its Idempotency-Key after its command is over, whatever became of it.
_CLAIM_MARGIN = 5.0


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
    callers: Callers
    admission: RequestAdmission
    repeats: RequestRepeats
    beats: Sequence[Beat]
    state: Mapping[str, Any]

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Mapping[str, Any]]:
        async with self.users, self.reads, self.summaries, asyncio.TaskGroup() as group:
            group.create_task(self.messenger.run())
            ending = group.create_task(self._end_streams())
            for beat in self.beats:
                group.create_task(beat.run(), name=beat.name)
            try:
                yield self.state
            finally:
                ending.cancel()
                for beat in self.beats:
                    beat.end()
                self.messenger.drain()
        await self.verifier.close()
        await self.wire.close()

    async def _end_streams(self) -> None:
        """Hold no process that has to go: a stream would last as long as its token."""
        await self.health.draining.wait()
        self.live.end_all()


def assemble(
    settings: Settings, metrics: Metrics, flag_defaults: Mapping[str, bool] = MappingProxyType({})
) -> Gateway:
    users = Database(PostgresSetting(settings.database_url.get_secret_value()), metrics)
    reads = Database(PostgresSetting(settings.read_database_url.get_secret_value()), metrics)
    summaries = open_summaries(settings, metrics)
    wire = RedisWire(settings.redis_url.get_secret_value())
    environment = str(settings.environment)
    messenger = Messenger(wire, SERVICE, environment, metrics=metrics, produces=[COMMANDS, AUDIT])
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
    changes = RecentChanges()
    followed = ViewChanges(events, changes)
    messenger.tail([EVENTS], followed.take_in, followed.lose_track, followed.begin)
    store = PostgresUsers(users)
    access = assemble_access(
        users, reads, messenger, settings, metrics, flag_defaults=flag_defaults
    )
    authenticator = Authenticator(verifier, store, keys=access.keys)
    messenger.batch(BILLING, BillingEvents(store.set_plans, authenticator.invalidate))
    commands = WireCommands(messenger.commands())
    sealer = Sealer(PublicKey.parse(settings.sealing_key))
    fingerprint_key = settings.fingerprint_key.get_secret_value().encode()
    store_of_edge = RedisStore(wire, on_change=circuit_metrics(metrics))
    checks = {"users": users.ping, "reads": reads.ping, "wire": wire.now_ms, "jwks": verifier.ping}
    checks |= {"flags": access.features.ping}
    health = Health(checks)
    views = PostgresJobViews(reads)

    async def attend_streams() -> None:
        live.attend(time.monotonic())

    place = settings.artifacts
    files = open_store(Place(**place)) if place else None
    state = {
        "authenticator": authenticator,
        "job_views": views,
        "show_files": ShowFiles(views, files, SystemClock()),
        "commands": commands,
        "submit_jobs": JobSubmission(commands, fingerprint_key, sealer, access.features),
        "job_metrics": JobMetrics(metrics),
        "read_summary": assemble_summaries(settings, summaries, store_of_edge, changes, metrics),
        "live_jobs": live,
        "health": health,
        "measure_topics": WireGauges(wire, environment).measure,
        "read_circuits": partial(read_circuits, metrics),
        "read_holds": PostgresHolds(reads).read,
        **access.state,
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
        callers=Callers(authenticator),
        admission=RequestAdmission(
            Limiter(store_of_edge, environment), enforced=settings.rate_limits_enforced
        ),
        repeats=RequestRepeats(
            Claims(store_of_edge),
            environment,
            fingerprint_key,
            claim_seconds=PATIENCE + _CLAIM_MARGIN,
        ),
        beats=[
            *access.beats,
            Beat("streams", attend_streams, 1.0),
            Beat("shut accounts", EndShutStreams(live, store.find_shut), SHUT_ACCOUNTS_EVERY),
        ],
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
    store: RedisStore,
    changes: RecentChanges,
    metrics: Metrics,
) -> ReadSummary:
    # A replica may be read before it has what an event told of: that must not be kept for long.
    most = ON_A_REPLICA if settings.summaries_database_url else A_DAY_OF_SUMS
    environment = str(settings.environment)

    def keep(name: str, seconds: float) -> ViewCache:
        return ViewCache(store, environment, name, seconds=min(seconds, most), metrics=metrics)

    return ReadSummary(
        PostgresSummaryViews(database),
        changes,
        briefly=keep("summaries", A_SUM),
        daily=keep("daily-summaries", A_DAY_OF_SUMS),
    )


def create_gateway_app(gateway: Gateway, settings: Settings, metrics: Metrics) -> ASGIApp:
    def lifespan(_app: FastAPI) -> AbstractAsyncContextManager[Mapping[str, Any]]:
        return gateway.running()

    addresses = ClientAddresses(settings.trusted_proxies)
    limits = Middleware(RateLimits, gateway.admission, gateway.callers, addresses, metrics)
    repeats = Middleware(Idempotency, gateway.repeats, gateway.callers, metrics)
    cors = [Middleware(Cors, settings.cors_origins, ACCEPTED, EXPOSED)]
    return create_app(
        title=SERVICE,
        metrics=metrics,
        routers=(*ROUTERS, *PAGES),
        lifespan=lifespan,
        before_body=[limits],
        after_body=[repeats],
        dependencies=GUARDS,
        deprecations=DEPRECATIONS,
        hosts=settings.allowed_hosts,
        cors=cors if settings.cors_origins else (),
    )


async def serve_gateway(settings: Settings, flag_defaults: Mapping[str, bool]) -> None:
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
    gateway = assemble(settings, metrics, flag_defaults)
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
