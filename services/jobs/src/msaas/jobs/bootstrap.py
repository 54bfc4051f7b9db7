"""Assembles the service: the only module that names ports and adapters."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from msaas.artifacts import ArtifactStore, StoreLocation, open_store
from msaas.contracts import TASKS, DeadlinePassed, WakeJob
from msaas.jobs.adapters.dead_letter_streams import BrokerDeadLetterStreams
from msaas.jobs.adapters.list_mover import ListMover
from msaas.jobs.adapters.postgres.billing import PostgresBilling
from msaas.jobs.adapters.postgres.bulk import PostgresBulk
from msaas.jobs.adapters.postgres.dead_letters import PostgresDeadLetters
from msaas.jobs.adapters.postgres.dispatch import PostgresDispatch
from msaas.jobs.adapters.postgres.intake import PostgresIntake
from msaas.jobs.adapters.postgres.leases import PostgresLeases
from msaas.jobs.adapters.postgres.pauses import PostgresPauses
from msaas.jobs.adapters.postgres.queue_stats import PostgresQueueStats
from msaas.jobs.adapters.postgres.republish import PostgresRepublish, PostgresUsageEntries
from msaas.jobs.adapters.postgres.results import PostgresResults
from msaas.jobs.adapters.postgres.retention import Files, list_retention_rules
from msaas.jobs.adapters.postgres.store import PostgresStore
from msaas.jobs.adapters.worker_queue import BrokerWorkerQueue
from msaas.jobs.application.apply_billing import ApplyBilling
from msaas.jobs.application.bulk_changes import BulkChanges, ContinueBulkChangesTask
from msaas.jobs.application.child_outcomes import ChildOutcomes, DownloadLinks
from msaas.jobs.application.collect_dead_letters import CollectDeadLettersTask
from msaas.jobs.application.dead_letters_ports import Pauses
from msaas.jobs.application.dead_letters_tasks import CountDeadLettersTask, DueReplaysTask
from msaas.jobs.application.dispatch_jobs import DispatchJobs
from msaas.jobs.application.due_jobs import DueJobsTask
from msaas.jobs.application.measure_queue import MeasureQueueTask
from msaas.jobs.application.persist_results import PersistResults
from msaas.jobs.application.ports import UploadLinks, WorkerQueue
from msaas.jobs.application.process_commands import ProcessCommands
from msaas.jobs.application.replay_dead_letters import DeadLetterReplayer, DeadLetterResolver
from msaas.jobs.application.republish_events import RepublishEvents
from msaas.jobs.application.resend_usage import ResendEntries
from msaas.jobs.application.set_pauses import SetPauses
from msaas.jobs.application.sweep_leases import SweepLeasesTask
from msaas.jobs.domain.settlement import SettlementRules
from msaas.jobs.entrypoints import intake_list
from msaas.jobs.entrypoints.dispatcher import Dispatcher
from msaas.jobs.entrypoints.republish_scheduler import RepublishScheduler
from msaas.jobs.entrypoints.sweeper import QuietPeriod, find_quiet_seconds
from msaas.jobs.entrypoints.topics import (
    billing,
    bulk_changes,
    commands,
    dead_letters,
    results,
    usage_requests,
)
from msaas.jobs.settings import RetentionSettings, Settings
from msaas.kernel import PeriodicTask, RetryPolicy, SystemClock, Wait
from msaas.messaging import ConsumerTimings, Messenger, RedisBroker
from msaas.postgres import Database, PostgresConfig, Retention, RetentionTask
from msaas.sealing import PrivateKey, Unsealer
from msaas.telemetry import (
    Metrics,
    configure_logging,
    configure_tracing,
    instrument,
    log_task_failure,
    shutdown_tracing,
)
from msaas.web import Health, create_internal_app, run_process

SERVICE = "jobs"
# The start and the end of a short run, and reports of other runs meanwhile, share a transaction.
RESULTS_LINGER = 0.015
DEAD_LETTERS_PERIOD = 2.0
SWEEP_PERIOD = 1.0
BULK_CHANGES_PERIOD = 5.0
RETENTION_BACKOFF = RetryPolicy(base=5.0, cap=300.0, attempts=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The consumers and periodic tasks of one process."""

    messenger: Messenger
    dispatcher: Dispatcher
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
    database: Database,
    broker: RedisBroker,
    environment: str,
    metrics: Metrics,
    *,
    opener: Unsealer,
    dispatch_window: int,
    enforces_quota: bool = True,
    timings: ConsumerTimings | None = None,
    upload_links: UploadLinks | None = None,
    download_links: DownloadLinks | None = None,
    files: Files | None = None,
) -> Service:
    child_outcomes = ChildOutcomes(download_links)
    messenger = Messenger(broker, SERVICE, environment, metrics=metrics, timings=timings)
    workers = BrokerWorkerQueue(messenger)
    dispatch_store = PostgresDispatch(database, window=dispatch_window)
    dispatcher = Dispatcher(
        DispatchJobs(dispatch_store, workers, opener, metrics, upload_links=upload_links)
    )
    process_commands = ProcessCommands(
        PostgresStore(database, PostgresIntake),
        workers,
        metrics,
        request_dispatch=dispatcher.request_dispatch,
        enforces_quota=enforces_quota,
        child_outcomes=child_outcomes,
    )
    pauses = PostgresPauses(database)
    set_pauses = SetPauses(pauses, request_dispatch=dispatcher.request_dispatch)
    handle_dead_letters, dead_letter_tasks = _build_dead_letters(
        messenger, database, metrics, process_commands, pauses
    )
    bulk_store = PostgresBulk(database)
    handle_commands = commands.CommandsHandler(
        process_commands,
        set_pauses,
        handle_dead_letters,
        bulk_changes.BulkChangesHandler(BulkChanges(bulk_store, process_commands)),
    )
    messenger.consume_batches(commands.TOPIC, handle_commands, weigh=commands.count_jobs)
    apply_billing = ApplyBilling(
        PostgresStore(database, PostgresBilling),
        metrics,
        request_dispatch=dispatcher.request_dispatch,
    )
    messenger.consume_batches(billing.TOPIC, billing.BillingHandler(apply_billing))
    resend = ResendEntries(PostgresUsageEntries(database))
    handle_requests = usage_requests.UsageRequestsHandler(resend, resend.count)
    messenger.consume_batches(usage_requests.TOPIC, handle_requests, usage_requests.MAX_BATCH)
    persist_results = _build_persist_results(database, metrics, dispatcher, workers, child_outcomes)
    messenger.consume_batches(
        results.TOPIC,
        results.ResultsHandler(persist_results, set_pauses),
        linger=RESULTS_LINGER,
        waits_for_older=results.waits_for_older,
    )
    move_intake = intake_list.MoveIntakeTask(ListMover(broker), environment, SystemClock())
    stats = PostgresQueueStats(database, window=dispatch_window)
    tasks = [
        dispatcher.task,
        _periodic("move intake", move_intake, intake_list.PERIOD, intake_list.BACKOFF),
        _periodic("measure queue", MeasureQueueTask(stats, metrics, SystemClock()), 1.0),
        *_build_recovery_tasks(messenger, database, metrics, workers, child_outcomes),
        *dead_letter_tasks,
        _periodic(
            "continue bulk changes",
            ContinueBulkChangesTask(bulk_store, messenger.publisher),
            BULK_CHANGES_PERIOD,
        ),
        _build_retention_task(build_retention(database, metrics, files)),
    ]
    return Service(messenger=messenger, dispatcher=dispatcher, tasks=tasks)


def _periodic(
    name: str,
    step: Callable[[], Awaitable[Wait | None]],
    period: float,
    backoff: RetryPolicy | None = None,
) -> PeriodicTask:
    return PeriodicTask(name, step, period=period, report_failure=log_task_failure, backoff=backoff)


def _build_dead_letters(
    messenger: Messenger,
    database: Database,
    metrics: Metrics,
    process_commands: ProcessCommands,
    pauses: Pauses,
) -> tuple[dead_letters.DeadLettersHandler, Sequence[PeriodicTask]]:
    store, streams = PostgresDeadLetters(database), BrokerDeadLetterStreams(messenger, SERVICE)
    replay = DeadLetterReplayer(store, pauses, streams, process_commands, metrics)
    resolve = DeadLetterResolver(store, metrics)
    publisher, clock = messenger.publisher, SystemClock()
    collect = CollectDeadLettersTask(store, streams, publisher, metrics)
    request_due = DueReplaysTask(store, pauses, publisher, clock)
    return dead_letters.DeadLettersHandler(store, replay, resolve), [
        _periodic("collect dead letters", collect, DEAD_LETTERS_PERIOD),
        _periodic("request due replays", request_due, DEAD_LETTERS_PERIOD),
        _periodic("count dead letters", CountDeadLettersTask(store, metrics), DEAD_LETTERS_PERIOD),
    ]


def _build_persist_results(
    database: Database,
    metrics: Metrics,
    dispatcher: Dispatcher,
    workers: WorkerQueue,
    child_outcomes: ChildOutcomes,
) -> PersistResults:
    once = frozenset(task.task_type for task in TASKS.values() if task.once)
    # Jitter spreads retries; guessing it gains nothing.
    rules = SettlementRules(once=once, jitter=random.random)
    return PersistResults(
        PostgresStore(database, lambda connection: PostgresResults(connection, once)),
        workers,
        metrics,
        rules,
        on_slot_freed=dispatcher.notify_slot_freed,
        on_woken=dispatcher.request_dispatch,
        child_outcomes=child_outcomes,
    )


def _build_recovery_tasks(
    messenger: Messenger,
    database: Database,
    metrics: Metrics,
    workers: WorkerQueue,
    child_outcomes: ChildOutcomes,
) -> Sequence[PeriodicTask]:
    """Report lost runs and due jobs, and republish what Redis may have lost."""
    publisher, clock, leases = messenger.publisher, SystemClock(), PostgresLeases(database)
    quiet_period = QuietPeriod(
        workers.ping, clock, find_quiet_seconds(messenger.context.timings.longest_reclaim)
    )
    republish = RepublishEvents(
        PostgresStore(database, PostgresRepublish), workers, publisher, child_outcomes
    )
    scheduler = RepublishScheduler(republish)
    messenger.on_epoch(quiet_period.notice_epoch)
    messenger.on_epoch(scheduler.notice_epoch)
    sweeps = {
        "sweep leases": SweepLeasesTask(leases, workers, publisher, metrics, clock),
        "report passed deadlines": DueJobsTask(
            leases.list_past_deadline, DeadlinePassed, publisher, clock
        ),
        "wake due jobs": DueJobsTask(leases.list_due_to_wake, WakeJob, publisher, clock),
    }
    return [
        *(_periodic(name, quiet_period.guard(task), SWEEP_PERIOD) for name, task in sweeps.items()),
        scheduler.task,
    ]


def build_retention(database: Database, metrics: Metrics, files: Files | None) -> Retention:
    return Retention(SERVICE, database, list_retention_rules(files), metrics)


def _build_retention_task(retention: Retention) -> PeriodicTask:
    step = RetentionTask(retention, jitter=random.random)
    return _periodic("retention", step, RETENTION_BACKOFF.base, RETENTION_BACKOFF)


def open_artifact_store(settings: Settings | RetentionSettings) -> ArtifactStore | None:
    location = settings.artifact_store_options
    return open_store(StoreLocation(**location)) if location else None


def read_keys(text: str) -> Unsealer:
    return Unsealer([PrivateKey.parse(key.strip()) for key in text.split(",")])


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
    store = open_artifact_store(settings)
    try:
        async with Database(config, metrics) as database:
            service = assemble(
                database,
                broker,
                environment,
                metrics,
                opener=read_keys(settings.sealing_keys.get_secret_value()),
                dispatch_window=settings.dispatch_window,
                enforces_quota=settings.billing_enforcement_enabled,
                upload_links=store,
                download_links=store,
                files=store,
            )
            await _run(
                service, Health({"db": database.ping, "redis": broker.now_ms}), metrics, settings
            )
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
