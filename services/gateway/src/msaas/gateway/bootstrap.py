"""The composition root: it names adapters, as the modules beside it do."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from uuid import UUID

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from msaas.artifacts import StoreLocation, open_store
from msaas.auth import Authenticator, TokenVerifier
from msaas.cache import IdempotencyClaims, RateLimiter, RedisStore
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
from msaas.gateway.adapters.postgres.bulk_views import PostgresBulkViews
from msaas.gateway.adapters.postgres.job_views import PostgresJobViews
from msaas.gateway.adapters.postgres.operator_views import PostgresOperatorViews
from msaas.gateway.adapters.postgres.pauses import PostgresPauses
from msaas.gateway.adapters.postgres.profiles import PostgresProfiles
from msaas.gateway.adapters.postgres.retention import list_retention_rules
from msaas.gateway.adapters.postgres.users import PostgresUsers
from msaas.gateway.agent_routes import AGENT_COMMANDS, assemble_agent_routes
from msaas.gateway.application.cache_versions import CacheVersions
from msaas.gateway.application.change_jobs_in_bulk import ChangeJobsInBulk
from msaas.gateway.application.end_closed_account_streams import EndClosedAccountStreams
from msaas.gateway.application.idempotent_requests import IdempotentRequests
from msaas.gateway.application.job_event_hub import JobEventHub
from msaas.gateway.application.job_row_streams import EncodedRow, JobRowReader
from msaas.gateway.application.manage_access import ManageAccess
from msaas.gateway.application.read_job_files import ReadJobFiles
from msaas.gateway.application.read_job_snapshot import ReadJobSnapshot
from msaas.gateway.application.request_rate_limiter import RequestRateLimiter
from msaas.gateway.application.submit_job import JobSubmission
from msaas.gateway.billing_routes import BILLING_TOPICS, assemble_billing_routes
from msaas.gateway.domain.rate_limit_rules import (
    RATE_LIMIT_RULES,
    RateLimitCategory,
    RateLimitRule,
)
from msaas.gateway.entrypoints.http.admission import AdmissionMiddleware
from msaas.gateway.entrypoints.http.callers import CallerResolver
from msaas.gateway.entrypoints.http.cors import ALLOWED_HEADERS, EXPOSED_HEADERS
from msaas.gateway.entrypoints.http.dependencies import GatewayState
from msaas.gateway.entrypoints.http.idempotency import IdempotencyMiddleware
from msaas.gateway.entrypoints.http.job_metrics import JobMetrics
from msaas.gateway.entrypoints.http.job_rows import encode_rows
from msaas.gateway.entrypoints.http.rate_limits import RateLimitMiddleware
from msaas.gateway.entrypoints.http.route_rules import RouteRules
from msaas.gateway.entrypoints.http.routers import ROUTERS, UNDOCUMENTED
from msaas.gateway.entrypoints.topics.billing_events import TOPIC as BILLING
from msaas.gateway.entrypoints.topics.billing_events import BillingEventHandler
from msaas.gateway.entrypoints.topics.job_events import TOPIC as EVENTS
from msaas.gateway.entrypoints.topics.job_events import JobEventHandler
from msaas.gateway.settings import Settings
from msaas.gateway.summaries_access import assemble_read_summary, open_summaries_database
from msaas.kernel import PeriodicTask, SystemClock
from msaas.messaging import Messenger, RedisBroker
from msaas.postgres import Database, PostgresConfig, Retention, RetentionTask
from msaas.sealing import PublicKey, Sealer
from msaas.telemetry import (
    Metrics,
    circuit_state_listener,
    configure_logging,
    configure_tracing,
    get_logger,
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
    serve,
)

SERVICE = "gateway"
RETENTION_RETRY_SECONDS = 60.0
CLOSED_ACCOUNTS_CHECK_SECONDS = 10.0
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
    run_hub: JobEventHub
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
        self.run_hub.end_all()


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
    messenger.publisher.require_topics(COMMANDS, *BILLING_TOPICS, AGENT_COMMANDS, AUDIT_TOPIC)
    verifier = TokenVerifier(
        settings.jwks_url, settings.issuer, settings.supabase_jwt_audience, metrics=metrics
    )
    resyncs = metrics.counter("msaas_sse_resyncs_total", "Resync events sent to clients.")
    ended = metrics.counter("msaas_sse_ended_total", "Live streams by why they ended.", ("reason",))
    views = PostgresJobViews(reads)
    rows_failed = metrics.counter("msaas_sse_rows_failed_total", "Reads of rows that failed.")

    async def load_rows(user_id: UUID, job_ids: Sequence[UUID]) -> Sequence[EncodedRow]:
        return encode_rows(await views.list_rows(user_id, job_ids))

    def report_rows_failed(error: Exception) -> None:
        rows_failed.inc()
        get_logger().warning("stream_rows_failed", error=type(error).__name__)

    create_hub = partial(
        JobEventHub,
        per_user=settings.streams_per_user,
        per_process=settings.streams_per_process,
        on_resync=resyncs.inc,
        on_end=lambda ending: ended.labels(ending).inc(),
    )
    event_hub = create_hub(row_reader=JobRowReader(load_rows, report_rows_failed))
    run_hub = create_hub()
    open_streams = metrics.gauge("msaas_sse_connections", "Live streams that are open.")
    open_streams.set_function(lambda: event_hub.open_count + run_hub.open_count)
    tasks = metrics.gauge("msaas_process_tasks", "Tasks of the process's event loop.")
    tasks.set_function(lambda: len(asyncio.all_tasks()))
    cache_versions, row_versions = CacheVersions(), CacheVersions()
    event_handler = JobEventHandler(event_hub, cache_versions, row_versions, metrics)
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
    agents = assemble_agent_routes(command_client, messenger, reads, run_hub, metrics)
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
        for hub in (event_hub, run_hub):
            hub.tick(time.monotonic())

    def end_account(user_id: UUID) -> None:
        for hub in (event_hub, run_hub):
            hub.end_account(user_id)

    artifact_settings = settings.artifact_store_options
    files = open_store(StoreLocation(**artifact_settings)) if artifact_settings else None
    sealer = Sealer(PublicKey.parse(settings.sealing_key))
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
        read_job_snapshot=ReadJobSnapshot(views, row_versions, lambda: event_hub.cursor),
        change_jobs_in_bulk=ChangeJobsInBulk(PostgresBulkViews(reads), commands),
        profiles=PostgresProfiles(users),
        operator_views=PostgresOperatorViews(users),
        manage_keys=access.manage_keys,
        key_views=PostgresKeyViews(reads),
        key_streams=access.key_streams,
        manage_access=ManageAccess(PostgresAccess(users), forget_user, end_account),
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
        agent_views=agents.views,
        decide_approvals=agents.decide_approvals,
        run_hub=run_hub,
        find_address=addresses.resolve,
    )
    return Gateway(
        users=users,
        reads=reads,
        broker=broker,
        messenger=messenger,
        verifier=verifier,
        event_hub=event_hub,
        run_hub=run_hub,
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
                EndClosedAccountStreams((event_hub, run_hub), store.find_closed_accounts),
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
