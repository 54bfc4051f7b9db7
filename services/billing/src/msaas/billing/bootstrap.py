"""Assembles the service: the only module that names ports and adapters."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import stripe

from msaas.billing.adapters.postgres.accounts import PostgresAccounts
from msaas.billing.adapters.postgres.billables import PostgresBillables
from msaas.billing.adapters.postgres.catalogue import PostgresCatalogue
from msaas.billing.adapters.postgres.corrections import PostgresCorrections
from msaas.billing.adapters.postgres.inbox import PostgresInbox
from msaas.billing.adapters.postgres.proofs import PostgresProofs
from msaas.billing.adapters.postgres.reconciliation import PostgresReconciliation
from msaas.billing.adapters.postgres.reports import PostgresReports
from msaas.billing.adapters.postgres.requests import PostgresRequests
from msaas.billing.adapters.postgres.retention import list_retention_rules
from msaas.billing.adapters.postgres.usage import REPORT_AFTER, PostgresUsage
from msaas.billing.adapters.signing import Ed25519Signer
from msaas.billing.adapters.stripe.client import API_VERSION, StripeClient
from msaas.billing.adapters.stripe.credit_notes import StripeCredits
from msaas.billing.adapters.stripe.invoices import StripeInvoices
from msaas.billing.adapters.stripe.meter import StripeMeter
from msaas.billing.adapters.stripe.payments import StripePayments
from msaas.billing.application.apply_stripe_events import ApplyStripeEvents
from msaas.billing.application.correct_usage import CorrectUsage
from msaas.billing.application.cron import BackfillTask, DueAccountsTask, DueEventsTask, claimed
from msaas.billing.application.manage_subscription import ManageSubscription
from msaas.billing.application.metering_tasks import DueUsageTask, MissingUsageTask
from msaas.billing.application.preview_invoice import PreviewInvoice
from msaas.billing.application.proof_tasks import DueProofsTask
from msaas.billing.application.prove_invoice import ProveInvoice
from msaas.billing.application.receive_stripe_events import ReceiveStripeEvents
from msaas.billing.application.reconcile_usage import ReconcileUsage
from msaas.billing.application.reconciliation_tasks import ReconciliationTask
from msaas.billing.application.refresh_account import RefreshAccount
from msaas.billing.application.report_usage import ReportUsage
from msaas.billing.application.republish_accounts import RepublishAccounts
from msaas.billing.application.take_usage import TakeUsage
from msaas.billing.entrypoints.topics import commands, usage, webhooks
from msaas.billing.entrypoints.topics.metering import MeteringHandler
from msaas.billing.entrypoints.topics.proving import ProvingHandler
from msaas.billing.settings import CronSettings, Settings, StripeSettings
from msaas.kernel import PeriodicTask, RetryPolicy
from msaas.messaging import ConsumerTimings, Messenger, RedisBroker
from msaas.postgres import Database, PostgresConfig, Retention, RetentionTask
from msaas.telemetry import (
    Metrics,
    configure_logging,
    configure_tracing,
    instrument,
    log_task_failure,
    shutdown_tracing,
)
from msaas.web import Health, create_internal_app, run_process

SERVICE: Final = "billing"
CRON: Final = "billing-cron"
DUE_PERIOD: Final = 5.0
GAPS_PERIOD: Final = 15.0
BACKFILL_PERIOD: Final = 60.0
RECONCILIATION_PERIOD: Final = 60.0
REPUBLISH_PERIOD: Final = 86_400.0
REPUBLISH_CHECK: Final = 600.0
RETENTION_RETRY: Final = 60.0
TASK_BACKOFF: Final = RetryPolicy(base=5.0, cap=300.0, attempts=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingRules:
    """`grace`: how long jobs are accepted after a payment has failed.

    `report_after`: how long usage waits for more, so that a busy subject has one report.
    `trial_days`: of a user's first subscription.
    """

    livemode: bool
    grace: timedelta
    report_after: timedelta = REPORT_AFTER
    trial_days: int = 0


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


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringParts:
    usage: PostgresUsage
    reports: PostgresReports
    corrections: PostgresCorrections
    meter: StripeMeter
    credit_notes: StripeCredits
    billables: PostgresBillables


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofParts:
    proofs: PostgresProofs
    invoices: StripeInvoices
    reconciliation: PostgresReconciliation


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What both kinds of process are built from."""

    database: Database
    accounts: PostgresAccounts
    inbox: PostgresInbox
    requests: PostgresRequests
    payments: StripePayments
    refresh: RefreshAccount
    metering: MeteringParts
    proving: ProofParts


def build_parts(database: Database, client: StripeClient, rules: BillingRules) -> Parts:
    accounts = PostgresAccounts(database, livemode=rules.livemode)
    payments = StripePayments(client)
    catalogue = PostgresCatalogue(database, livemode=rules.livemode, api_version=API_VERSION)
    return Parts(
        database=database,
        accounts=accounts,
        inbox=PostgresInbox(database),
        requests=PostgresRequests(database),
        payments=payments,
        refresh=RefreshAccount(accounts, payments, grace=rules.grace),
        metering=MeteringParts(
            usage=PostgresUsage(database, report_after=rules.report_after),
            reports=PostgresReports(database),
            corrections=PostgresCorrections(database),
            meter=StripeMeter(client, catalogue),
            credit_notes=StripeCredits(client),
            billables=PostgresBillables(database, accounts),
        ),
        proving=ProofParts(
            proofs=PostgresProofs(database),
            invoices=StripeInvoices(client),
            reconciliation=PostgresReconciliation(database),
        ),
    )


def assemble(
    parts: Parts,
    broker: RedisBroker,
    environment: str,
    metrics: Metrics,
    *,
    rules: BillingRules,
    proof_key: str,
    timings: ConsumerTimings | None = None,
) -> Service:
    """Build what `serve` runs: consumers of webhooks and commands."""
    messenger = Messenger(broker, SERVICE, environment, metrics=metrics, timings=timings)
    receive = ReceiveStripeEvents(
        parts.inbox, metrics, livemode=rules.livemode, api_version=API_VERSION
    )
    messenger.consume_batches(webhooks.TOPIC, webhooks.WebhooksHandler(receive))
    apply = ApplyStripeEvents(
        parts.inbox,
        parts.accounts,
        parts.payments,
        parts.refresh,
        metrics=metrics,
        livemode=rules.livemode,
    )
    manage = ManageSubscription(
        *(parts.accounts, parts.requests, parts.payments, parts.refresh),
        trial_days=rules.trial_days,
    )
    handler = commands.CommandsHandler(
        *(manage, apply, parts.refresh, parts.accounts, parts.inbox),
        metering=build_metering(parts.metering, metrics),
        proving=build_proving(parts, proof_key, metrics),
    )
    take_usage = TakeUsage(parts.metering.usage, metrics)
    take_counts = parts.proving.reconciliation.take_counts
    messenger.consume_batches(usage.TOPIC, usage.UsageHandler(take_usage, take_counts))
    messenger.consume_batches(commands.TOPIC, handler, commands.MAX_BATCH)
    republish = RepublishAccounts(parts.accounts, parts.refresh, messenger.publisher)
    messenger.on_epoch(republish)
    daily = claimed(parts.inbox, "republish", REPUBLISH_PERIOD, republish)
    return Service(
        messenger=messenger, tasks=[_periodic("republish accounts", daily, REPUBLISH_CHECK)]
    )


def build_metering(parts: MeteringParts, metrics: Metrics) -> MeteringHandler:
    return MeteringHandler(
        ReportUsage(parts.reports, parts.meter, metrics),
        CorrectUsage(parts.corrections, parts.meter, parts.credit_notes),
        PreviewInvoice(parts.billables),
    )


def build_proving(parts: Parts, proof_key: str, metrics: Metrics) -> ProvingHandler:
    proving = parts.proving
    prove = ProveInvoice(proving.proofs, Ed25519Signer(proof_key), proving.invoices, metrics)
    return ProvingHandler(prove, build_reconcile(parts))


def build_reconcile(parts: Parts) -> ReconcileUsage:
    return ReconcileUsage(
        *(parts.proving.reconciliation, parts.accounts, parts.payments, parts.metering.meter)
    )


def assemble_cron(parts: Parts, broker: RedisBroker, environment: str, metrics: Metrics) -> Service:
    """Build what `cron` runs: periodic tasks, each in one replica at a time."""
    messenger = Messenger(broker, CRON, environment, metrics=metrics)
    publisher, inbox = messenger.publisher, parts.inbox
    steps = {
        "due events": (DueEventsTask(inbox, publisher), DUE_PERIOD),
        "due accounts": (DueAccountsTask(parts.accounts, publisher), DUE_PERIOD),
        "due usage": (DueUsageTask(parts.metering.usage, publisher, metrics), DUE_PERIOD),
        "missing usage": (MissingUsageTask(parts.metering.usage, publisher), GAPS_PERIOD),
        "due proofs": (DueProofsTask(parts.proving.proofs, publisher), DUE_PERIOD),
        "reconciliation": (
            ReconciliationTask(parts.proving.reconciliation, publisher, metrics),
            RECONCILIATION_PERIOD,
        ),
        "backfill": (BackfillTask(inbox, parts.payments, publisher, metrics), BACKFILL_PERIOD),
    }
    tasks = [
        _periodic(name, claimed(inbox, name, period, step), period / 2)
        for name, (step, period) in steps.items()
    ]
    retention = RetentionTask(build_retention(parts.database, metrics), jitter=random.random)
    tasks.append(
        PeriodicTask(
            "retention", retention, period=RETENTION_RETRY, report_failure=log_task_failure
        )
    )
    return Service(messenger=messenger, tasks=tasks)


def build_retention(database: Database, metrics: Metrics) -> Retention:
    return Retention(SERVICE, database, list_retention_rules(), metrics)


def _periodic(name: str, step: Callable[[], Awaitable[None]], period: float) -> PeriodicTask:
    return PeriodicTask(
        name, step, period=period, report_failure=log_task_failure, backoff=TASK_BACKOFF
    )


async def serve(settings: Settings) -> None:
    await _run_process(settings, SERVICE)


async def serve_cron(settings: CronSettings) -> None:
    await _run_process(settings, CRON)


async def _run_process(settings: Settings | CronSettings, process: str) -> None:
    environment = str(settings.environment)
    configure_logging(process, environment, level=settings.log_level)
    configure_tracing(
        process,
        environment,
        endpoint=settings.otel_exporter_otlp_endpoint,
        sample_ratio=settings.otel_traces_sampler_arg,
    )
    instrument("asyncpg", "redis")
    metrics = Metrics(process, environment)
    broker = RedisBroker(settings.redis_url.get_secret_value(), metrics=metrics)
    config = PostgresConfig(settings.database_url.get_secret_value())
    rules = BillingRules(
        livemode=settings.livemode,
        grace=timedelta(days=settings.past_due_grace_days),
        report_after=timedelta(seconds=settings.report_after_seconds),
        trial_days=settings.trial_days,
    )
    client = open_client(settings, metrics)
    try:
        async with Database(config, metrics) as database:
            parts = build_parts(database, client, rules)
            service = (
                assemble(
                    *(parts, broker, environment, metrics),
                    rules=rules,
                    proof_key=settings.proof_key.get_secret_value(),
                )
                if isinstance(settings, Settings)
                else assemble_cron(parts, broker, environment, metrics)
            )
            # Stripe is no part of health: its outage stops no work, and a restart would not help.
            health = Health({"db": database.ping, "redis": broker.now_ms})
            await _run(service, health, metrics, settings)
    finally:
        await client.close()
        await broker.close()
        shutdown_tracing()


def open_client(settings: StripeSettings, metrics: Metrics) -> StripeClient:
    stripe.enable_telemetry = False
    logging.getLogger("stripe").setLevel(logging.WARNING)  # its lines name customers
    return StripeClient(
        settings.stripe_api_key.get_secret_value(), metrics, url=settings.stripe_url
    )


async def _run(
    service: Service, health: Health, metrics: Metrics, settings: Settings | CronSettings
) -> None:
    async def work(stop: asyncio.Event) -> None:
        health.start()
        await service.run(stop)

    await run_process(
        work,
        internal_app=create_internal_app(health, metrics),
        internal_address=(settings.internal_host, settings.internal_port),
        health=health,
    )
