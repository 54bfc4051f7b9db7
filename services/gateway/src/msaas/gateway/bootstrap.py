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

from msaas.artifacts import StoreLocation, open_store
from msaas.auth import Authenticator, TokenVerifier
from msaas.cache import IdempotencyClaims, RateLimiter, RedisStore, RedisViewCache
from msaas.gateway.access_control import AUDIT_TOPIC, assemble_access_control
from msaas.gateway.adapters.broker_commands import COMMAND_TIMEOUT_SECONDS, BrokerCommandSender
from msaas.gateway.adapters.broker_commands import COMMANDS_TOPIC as COMMANDS
from msaas.gateway.adapters.broker_topic_stats import BrokerTopicStats
from msaas.gateway.adapters.postgres.job_views import PostgresJobViews
from msaas.gateway.adapters.postgres.pauses import PostgresPauses
from msaas.gateway.adapters.postgres.summary_views import PostgresSummaryViews
from msaas.gateway.adapters.postgres.users import PostgresUsers
from msaas.gateway.application.cache_versions import CacheVersions
from msaas.gateway.application.end_closed_account_streams import EndClosedAccountStreams
from msaas.gateway.application.idempotent_requests import IdempotentRequests
from msaas.gateway.application.job_event_hub import JobEventHub
from msaas.gateway.application.read_job_files import ReadJobFiles
from msaas.gateway.application.read_summary import ReadSummary
from msaas.gateway.application.request_rate_limiter import RequestRateLimiter
from msaas.gateway.application.submit_job import JobSubmission
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
from msaas.gateway.entrypoints.http.callers import CallerResolver
from msaas.gateway.entrypoints.http.cors import ALLOWED_HEADERS, EXPOSED_HEADERS
from msaas.gateway.entrypoints.http.deprecations import DEPRECATIONS
from msaas.gateway.entrypoints.http.guards import RouteGuard
from msaas.gateway.entrypoints.http.idempotency import IdempotencyMiddleware
from msaas.gateway.entrypoints.http.job_metrics import JobMetrics
from msaas.gateway.entrypoints.http.rate_limits import RateLimitMiddleware
from msaas.gateway.entrypoints.periodic_tasks import PeriodicTask
from msaas.gateway.entrypoints.topics.billing_events import TOPIC as BILLING
from msaas.gateway.entrypoints.topics.billing_events import BillingEventHandler
from msaas.gateway.entrypoints.topics.cache_version_updates import CacheVersionUpdater
from msaas.gateway.entrypoints.topics.job_events import TOPIC as EVENTS
from msaas.gateway.entrypoints.topics.job_events import JobEventHandler
from msaas.gateway.settings import Settings
from msaas.kernel import SystemClock
from msaas.messaging import Messenger, RedisBroker
from msaas.postgres import Database, PostgresConfig
from msaas.sealing import PublicKey, Sealer
from msaas.telemetry import (
    Metrics,
    circuit_state_listener,
    configure_logging,
    configure_tracing,
    instrument,
    read_circuit_states,
    shutdown_tracing,
)
from msaas.web import (
    ClientAddressResolver,
    Cors,
    Health,
    create_app,
    create_internal_app,
    problem_pages,
    serve,
)

SERVICE = "gateway"
SUMMARY_POOL_SIZE = 4
# How many seconds a summary is kept, as long as no event changes it.
SUMMARY_TTL_SECONDS, DAILY_SUMMARY_TTL_SECONDS, REPLICA_SUMMARY_TTL_SECONDS = 60.0, 3600.0, 10.0
# The stream comes before the jobs: its path looks like a job's.
ROUTERS = (
    *(account.router, job_stream.router, jobs.router, artifacts.router, summaries.router),
    *(api_keys.router, flags.router, dead_letters.router, fleet.router),
)
# For people, and no part of the API that the document describes.
PAGES = (problem_pages, docs_pages.router)
GUARDS = (Depends(RouteGuard()),)
CLOSED_ACCOUNTS_CHECK_SECONDS = 10.0
# How long a request may hold its Idempotency-Key after its command is over, whatever became of it.
_CLAIM_MARGIN_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """All that lives as long as the process."""

    users: Database
    reads: Database
    broker: RedisBroker
    messenger: Messenger
    verifier: TokenVerifier
    event_hub: JobEventHub
    event_handler: JobEventHandler
    summaries: Database
    health: Health
    callers: CallerResolver
    rate_limiter: RequestRateLimiter
    idempotent_requests: IdempotentRequests
    periodic_tasks: Sequence[PeriodicTask]
    state: Mapping[str, Any]

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Mapping[str, Any]]:
        async with self.users, self.reads, self.summaries, asyncio.TaskGroup() as group:
            group.create_task(self.messenger.run())
            ending = group.create_task(self._end_streams())
            for beat in self.periodic_tasks:
                group.create_task(beat.run(), name=beat.name)
            try:
                yield self.state
            finally:
                ending.cancel()
                for beat in self.periodic_tasks:
                    beat.stop()
                self.messenger.drain()
        await self.verifier.close()
        await self.broker.close()

    async def _end_streams(self) -> None:
        """Hold no process that has to go: a stream would last as long as its token."""
        await self.health.draining.wait()
        self.event_hub.end_all()


def assemble(
    settings: Settings, metrics: Metrics, flag_defaults: Mapping[str, bool] = MappingProxyType({})
) -> Gateway:
    users = Database(PostgresConfig(settings.database_url.get_secret_value()), metrics)
    reads = Database(PostgresConfig(settings.read_database_url.get_secret_value()), metrics)
    summaries = open_summaries_database(settings, metrics)
    broker = RedisBroker(settings.redis_url.get_secret_value())
    environment = str(settings.environment)
    messenger = Messenger(
        broker, SERVICE, environment, metrics=metrics, produces=[COMMANDS, AUDIT_TOPIC]
    )
    verifier = TokenVerifier(
        settings.jwks_url, settings.issuer, settings.supabase_jwt_audience, metrics=metrics
    )
    resyncs = metrics.counter("msaas_sse_resyncs_total", "Clients told to resynchronize.")
    ended = metrics.counter("msaas_sse_ended_total", "Live streams by why they ended.", ("reason",))
    event_hub = JobEventHub(
        per_user=settings.streams_per_user,
        per_process=settings.streams_per_process,
        on_resync=resyncs.inc,
        on_end=lambda ending: ended.labels(ending).inc(),
    )
    open_streams = metrics.gauge("msaas_sse_connections", "Live streams that are open.")
    open_streams.set_function(lambda: event_hub.open_count)
    tasks = metrics.gauge("msaas_process_tasks", "Tasks of the process's event loop.")
    tasks.set_function(lambda: len(asyncio.all_tasks()))
    event_handler = JobEventHandler(event_hub, metrics)
    cache_versions = CacheVersions()
    event_log_handler = CacheVersionUpdater(event_handler, cache_versions)
    messenger.tail_log(
        [EVENTS], event_log_handler.handle, event_log_handler.reset, event_log_handler.start_at
    )
    store = PostgresUsers(users)
    redis_store = RedisStore(broker, on_change=circuit_state_listener(metrics))
    access = assemble_access_control(
        users,
        reads,
        messenger,
        settings,
        metrics,
        redis_store=redis_store,
        flag_defaults=flag_defaults,
    )
    authenticator = Authenticator(verifier, store, api_keys=access.keys)
    messenger.consume_batches(
        BILLING, BillingEventHandler(store.set_plans, authenticator.invalidate)
    )
    commands = BrokerCommandSender(messenger.create_command_client())
    sealer = Sealer(PublicKey.parse(settings.sealing_key))
    fingerprint_key = settings.fingerprint_key.get_secret_value().encode()
    checks = {
        "users": users.ping,
        "reads": reads.ping,
        "wire": broker.now_ms,
        "jwks": verifier.ping,
    }
    checks |= {"flags": access.features.ping}
    health = Health(checks)
    views = PostgresJobViews(reads)

    async def check_streams() -> None:
        event_hub.tick(time.monotonic())

    artifact_settings = settings.artifact_store_options
    files = open_store(StoreLocation(**artifact_settings)) if artifact_settings else None
    state = {
        "authenticator": authenticator,
        "job_views": views,
        "show_files": ReadJobFiles(views, files, SystemClock()),
        "commands": commands,
        "submit_jobs": JobSubmission(commands, fingerprint_key, sealer, access.features),
        "job_metrics": JobMetrics(metrics),
        "read_summary": assemble_read_summary(
            settings, summaries, redis_store, cache_versions, metrics
        ),
        "live_jobs": event_hub,
        "health": health,
        "measure_topics": BrokerTopicStats(broker, environment).list_topic_stats,
        "read_circuits": partial(read_circuit_states, metrics),
        "read_holds": PostgresPauses(reads).list_pauses,
        **access.state,
    }
    return Gateway(
        users=users,
        reads=reads,
        broker=broker,
        messenger=messenger,
        verifier=verifier,
        event_hub=event_hub,
        event_handler=event_handler,
        summaries=summaries,
        health=health,
        callers=CallerResolver(authenticator),
        rate_limiter=RequestRateLimiter(
            RateLimiter(redis_store, environment), enforced=settings.rate_limits_enforced
        ),
        idempotent_requests=IdempotentRequests(
            IdempotencyClaims(redis_store),
            environment,
            fingerprint_key,
            claim_seconds=COMMAND_TIMEOUT_SECONDS + _CLAIM_MARGIN_SECONDS,
        ),
        periodic_tasks=[
            *access.periodic_tasks,
            PeriodicTask("streams", check_streams, 1.0),
            PeriodicTask(
                "closed accounts",
                EndClosedAccountStreams(event_hub, store.find_closed_accounts),
                CLOSED_ACCOUNTS_CHECK_SECONDS,
            ),
        ],
        state=state,
    )


def open_summaries_database(settings: Settings, metrics: Metrics) -> Database:
    """Read sums over a pool of their own, so that they keep nobody's job waiting."""
    url = settings.summaries_database_url or settings.read_database_url
    setting = PostgresConfig(url.get_secret_value(), max_size=SUMMARY_POOL_SIZE)
    return Database(setting, metrics)


def assemble_read_summary(
    settings: Settings,
    database: Database,
    store: RedisStore,
    cache_versions: CacheVersions,
    metrics: Metrics,
) -> ReadSummary:
    # A replica may be read before it has what an event told of: that must not be kept for long.
    max_seconds = (
        REPLICA_SUMMARY_TTL_SECONDS
        if settings.summaries_database_url
        else DAILY_SUMMARY_TTL_SECONDS
    )
    environment = str(settings.environment)

    def create_view_cache(name: str, seconds: float) -> RedisViewCache:
        return RedisViewCache(
            store, environment, name, ttl_seconds=min(seconds, max_seconds), metrics=metrics
        )

    return ReadSummary(
        PostgresSummaryViews(database),
        cache_versions,
        short_cache=create_view_cache("summaries", SUMMARY_TTL_SECONDS),
        daily_cache=create_view_cache("daily-summaries", DAILY_SUMMARY_TTL_SECONDS),
    )


def create_gateway_app(gateway: Gateway, settings: Settings, metrics: Metrics) -> ASGIApp:
    def lifespan(_app: FastAPI) -> AbstractAsyncContextManager[Mapping[str, Any]]:
        return gateway.running()

    addresses = ClientAddressResolver(settings.trusted_proxies)
    limits = Middleware(
        RateLimitMiddleware, gateway.rate_limiter, gateway.callers, addresses, metrics
    )
    idempotency = Middleware(
        IdempotencyMiddleware, gateway.idempotent_requests, gateway.callers, metrics
    )
    cors = [Middleware(Cors, settings.cors_origins, ALLOWED_HEADERS, EXPOSED_HEADERS)]
    return create_app(
        title=SERVICE,
        metrics=metrics,
        routers=(*ROUTERS, *PAGES),
        lifespan=lifespan,
        before_body=[limits],
        after_body=[idempotency],
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
