"""The composition root: only it, `access_control` and `billing_routes` name adapters."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final
from uuid import UUID

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from msaas.artifacts import StoreLocation, open_store
from msaas.auth import Authenticator, TokenVerifier
from msaas.cache import IdempotencyClaims, RateLimiter, RedisStore, RedisViewCache
from msaas.gateway.access_control import (
    AUDIT_TOPIC,
    assemble_access_control,
    create_task,
)
from msaas.gateway.adapters.broker_commands import BILLING_TIMEOUT_SECONDS, BrokerCommandSender
from msaas.gateway.adapters.broker_commands import COMMANDS_TOPIC as COMMANDS
from msaas.gateway.adapters.broker_topic_stats import BrokerTopicStats
from msaas.gateway.adapters.postgres.access import PostgresAccess
from msaas.gateway.adapters.postgres.api_keys import PostgresKeyViews
from msaas.gateway.adapters.postgres.job_views import PostgresJobViews
from msaas.gateway.adapters.postgres.pauses import PostgresPauses
from msaas.gateway.adapters.postgres.retention import list_retention_rules
from msaas.gateway.adapters.postgres.summary_views import PostgresSummaryViews
from msaas.gateway.adapters.postgres.users import PostgresUsers
from msaas.gateway.application.cache_versions import CacheVersions
from msaas.gateway.application.end_closed_account_streams import EndClosedAccountStreams
from msaas.gateway.application.idempotent_requests import IdempotentRequests
from msaas.gateway.application.job_event_hub import JobEventHub
from msaas.gateway.application.manage_access import ManageAccess
from msaas.gateway.application.read_job_files import ReadJobFiles
from msaas.gateway.application.read_summary import ReadSummary
from msaas.gateway.application.request_rate_limiter import RequestRateLimiter
from msaas.gateway.application.submit_job import JobSubmission
from msaas.gateway.billing_routes import BILLING_TOPICS, assemble_billing_routes
from msaas.gateway.domain.rate_limit_rules import (
    RATE_LIMIT_RULES,
    RateLimitCategory,
    RateLimitRule,
)
from msaas.gateway.entrypoints.http import (
    account,
    api_keys,
    artifacts,
    billing,
    dead_letters,
    docs_pages,
    flags,
    fleet,
    invoices,
    job_stream,
    jobs,
    stripe_webhooks,
    summaries,
    users,
)
from msaas.gateway.entrypoints.http.admission import AdmissionMiddleware
from msaas.gateway.entrypoints.http.callers import CallerResolver
from msaas.gateway.entrypoints.http.cors import ALLOWED_HEADERS, EXPOSED_HEADERS
from msaas.gateway.entrypoints.http.dependencies import GatewayState
from msaas.gateway.entrypoints.http.idempotency import IdempotencyMiddleware
from msaas.gateway.entrypoints.http.job_metrics import JobMetrics
from msaas.gateway.entrypoints.http.rate_limits import RateLimitMiddleware
from msaas.gateway.entrypoints.http.route_rules import RouteRule, RouteRules, guard
from msaas.gateway.entrypoints.topics.billing_events import TOPIC as BILLING
from msaas.gateway.entrypoints.topics.billing_events import BillingEventHandler
from msaas.gateway.entrypoints.topics.job_events import TOPIC as EVENTS
from msaas.gateway.entrypoints.topics.job_events import JobEventHandler
from msaas.gateway.settings import Settings
from msaas.kernel import PeriodicTask, SystemClock
from msaas.messaging import Messenger, RedisBroker
from msaas.postgres import Database, PostgresConfig, Retention, RetentionTask
from msaas.sealing import PublicKey, Sealer
from msaas.telemetry import (
    Metrics,
    circuit_state_listener,
    configure_logging,
    configure_tracing,
    instrument,
    log_task_failure,
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
RETENTION_RETRY_SECONDS, CLOSED_ACCOUNTS_CHECK_SECONDS = 60.0, 10.0
SUMMARY_POOL_SIZE = 4
# How long a summary is cached as long as no event changes it.
SUMMARY_TTL_SECONDS, DAILY_SUMMARY_TTL_SECONDS, REPLICA_SUMMARY_TTL_SECONDS = 60.0, 3600.0, 10.0
# The stream comes before the jobs: `/jobs/stream` matches `/jobs/{job_id}` too.
ROUTERS = (
    *(account.router, job_stream.router, jobs.router, artifacts.router, summaries.router),
    *(api_keys.router, flags.router, dead_letters.router, fleet.router, users.router),
    *(billing.router, invoices.router),
)
# Pages for people, and what Stripe calls; the OpenAPI document does not describe them.
PAGES: Final = APIRouter(dependencies=[guard(RouteRule(is_public=True, rate_limit=None))])
PAGES.include_router(problem_pages)
PAGES.include_router(docs_pages.router)
UNDOCUMENTED: Final = (PAGES, stripe_webhooks.router)
# How long a request may hold its Idempotency-Key after its command has timed out.
_CLAIM_MARGIN_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """Everything that lives as long as the process."""

    users: Database
    reads: Database
    broker: RedisBroker
    messenger: Messenger
    verifier: TokenVerifier
    event_hub: JobEventHub
    summaries: Database
    health: Health
    callers: CallerResolver
    rate_limiter: RequestRateLimiter
    idempotent_requests: IdempotentRequests
    periodic_tasks: Sequence[PeriodicTask]
    state: GatewayState

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[GatewayState]:
        async with self.users, self.reads, self.summaries, asyncio.TaskGroup() as group:
            group.create_task(self.messenger.run())
            ending = group.create_task(self._end_streams())
            for task in self.periodic_tasks:
                group.create_task(task.run(), name=task.name)
            try:
                yield self.state
            finally:
                ending.cancel()
                for task in self.periodic_tasks:
                    task.drain()
                self.messenger.drain()
        await self.verifier.close()
        await self.broker.close()

    async def _end_streams(self) -> None:
        """End all streams at shutdown: a stream would last as long as its token."""
        await self.health.draining.wait()
        self.event_hub.end_all()


def assemble(
    settings: Settings,
    metrics: Metrics,
    flag_defaults: Mapping[str, bool] = MappingProxyType({}),
    rate_limit_rules: Mapping[RateLimitCategory, RateLimitRule] = RATE_LIMIT_RULES,
) -> Gateway:
    users = Database(PostgresConfig(settings.database_url.get_secret_value()), metrics)
    reads = Database(PostgresConfig(settings.read_database_url.get_secret_value()), metrics)
    summaries = open_summaries_database(settings, metrics)
    broker = RedisBroker(settings.redis_url.get_secret_value(), metrics=metrics)
    environment = str(settings.environment)
    messenger = Messenger(broker, SERVICE, environment, metrics=metrics)
    messenger.publisher.require_topics(COMMANDS, *BILLING_TOPICS, AUDIT_TOPIC)
    verifier = TokenVerifier(
        settings.jwks_url, settings.issuer, settings.supabase_jwt_audience, metrics=metrics
    )
    resyncs = metrics.counter("msaas_sse_resyncs_total", "Resync events sent to clients.")
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
    cache_versions = CacheVersions()
    event_handler = JobEventHandler(event_hub, cache_versions, metrics)
    messenger.tail_log([EVENTS], event_handler.handle, event_handler.reset, event_handler.start_at)
    store = PostgresUsers(users)
    # A breaker for each: a cache that fails does not switch the limits and the claims off.
    create_store = partial(RedisStore, broker, on_change=circuit_state_listener(metrics))
    access = assemble_access_control(
        users,
        messenger,
        settings,
        metrics,
        redis_store=create_store("flags"),
        flag_defaults=flag_defaults,
    )
    addresses = ClientAddressResolver(settings.trusted_proxies)
    authenticator = Authenticator(
        verifier, store, api_keys=access.key_verifier, find_address=addresses.resolve
    )
    messenger.consume_batches(
        BILLING, BillingEventHandler(store.set_plans, authenticator.invalidate)
    )
    command_client = messenger.create_command_client()
    commands = BrokerCommandSender(command_client)
    rate_limiter = RequestRateLimiter(
        RateLimiter(create_store("limits"), environment),
        enforced=settings.rate_limits_enforced,
        rules=rate_limit_rules,
    )
    money = assemble_billing_routes(command_client, reads, rate_limiter, settings, metrics)
    fingerprint_key = settings.fingerprint_key.get_secret_value().encode()
    health = Health(
        {
            "users": users.ping,
            "reads": reads.ping,
            "redis": broker.now_ms,
            "jwks": verifier.ping,
            "flags": access.features.ping,
        }
    )

    def forget_user(user_id: UUID) -> None:
        authenticator.invalidate(user_id)
        access.key_verifier.forget_user(user_id)

    async def check_streams() -> None:
        event_hub.tick(time.monotonic())

    artifact_settings = settings.artifact_store_options
    files = open_store(StoreLocation(**artifact_settings)) if artifact_settings else None
    views, sealer = PostgresJobViews(reads), Sealer(PublicKey.parse(settings.sealing_key))
    state = GatewayState(
        authenticator=authenticator,
        features=access.features,
        health=health,
        job_views=views,
        job_files=ReadJobFiles(views, files, SystemClock()),
        job_submission=JobSubmission(commands, fingerprint_key, sealer, access.features),
        job_metrics=JobMetrics(metrics),
        commands=commands,
        event_hub=event_hub,
        read_summary=assemble_read_summary(
            settings, summaries, create_store("cache"), cache_versions, metrics
        ),
        manage_keys=access.manage_keys,
        key_views=PostgresKeyViews(reads),
        key_streams=access.key_streams,
        manage_access=ManageAccess(PostgresAccess(users), forget_user, event_hub.end_account),
        manage_flags=access.manage_flags,
        auditor=access.auditor,
        list_topic_stats=BrokerTopicStats(broker, environment).list_topic_stats,
        list_pauses=PostgresPauses(reads).list_pauses,
        read_circuits=partial(read_circuit_states, metrics),
        billing_views=money.views,
        invoice_views=money.invoices,
        billing_commands=money.commands,
        billing_return_url=settings.billing_return_url,
        webhooks=money.webhooks,
        find_address=addresses.resolve,
    )
    return Gateway(
        users=users,
        reads=reads,
        broker=broker,
        messenger=messenger,
        verifier=verifier,
        event_hub=event_hub,
        summaries=summaries,
        health=health,
        callers=CallerResolver(authenticator),
        rate_limiter=rate_limiter,
        idempotent_requests=IdempotentRequests(
            IdempotencyClaims(create_store("claims")),
            environment,
            fingerprint_key,
            claim_seconds=BILLING_TIMEOUT_SECONDS + _CLAIM_MARGIN_SECONDS,
        ),
        periodic_tasks=[
            *access.periodic_tasks,
            create_task("streams", check_streams, 1.0),
            create_task(
                "closed accounts",
                EndClosedAccountStreams(event_hub, store.find_closed_accounts),
                CLOSED_ACCOUNTS_CHECK_SECONDS,
            ),
            PeriodicTask(
                "retention",
                RetentionTask(build_retention(users, metrics), jitter=random.random),
                period=RETENTION_RETRY_SECONDS,
                report_failure=log_task_failure,
            ),
        ],
        state=state,
    )


def build_retention(users: Database, metrics: Metrics) -> Retention:
    return Retention(SERVICE, users, list_retention_rules(), metrics)


def open_summaries_database(settings: Settings, metrics: Metrics) -> Database:
    """Use a separate pool, so that summaries do not delay other reads."""
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
    # A replica may lag behind an event: what was read from it is cached for a short time only.
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
    def lifespan(_app: FastAPI) -> AbstractAsyncContextManager[GatewayState]:
        return gateway.running()

    routers = (*ROUTERS, *UNDOCUMENTED)
    rules = RouteRules(routers)
    addresses = ClientAddressResolver(settings.trusted_proxies)
    limits = Middleware(
        RateLimitMiddleware,
        rules,
        gateway.rate_limiter,
        gateway.callers,
        addresses,
        metrics=metrics,
    )
    idempotency = Middleware(
        IdempotencyMiddleware, rules, gateway.idempotent_requests, gateway.callers, metrics
    )
    cors = [Middleware(Cors, settings.cors_origins, ALLOWED_HEADERS, EXPOSED_HEADERS)]
    return create_app(
        title=SERVICE,
        metrics=metrics,
        routers=routers,
        lifespan=lifespan,
        before_body=[limits, Middleware(AdmissionMiddleware, rules, gateway.callers)],
        after_body=[idempotency],
        deprecations=rules.deprecations,
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
