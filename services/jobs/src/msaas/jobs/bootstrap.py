"""Puts the service together: the one module that knows ports and adapters by name."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from msaas.artifacts import StoreLocation, open_store
from msaas.contracts import TASKS, DeadlinePassed, WakeJob
from msaas.jobs.adapters.dead_letter_streams import BrokerDeadLetterStreams
from msaas.jobs.adapters.postgres.billing import PostgresBilling
from msaas.jobs.adapters.postgres.dead_letters import PostgresDeadLetters
from msaas.jobs.adapters.postgres.dispatch import PostgresDispatch
from msaas.jobs.adapters.postgres.intake import PostgresIntake
from msaas.jobs.adapters.postgres.leases import PostgresLeases
from msaas.jobs.adapters.postgres.pauses import PostgresPauses
from msaas.jobs.adapters.postgres.queue_stats import PostgresQueueStats
from msaas.jobs.adapters.postgres.republish import PostgresRepublishStore
from msaas.jobs.adapters.postgres.results import PostgresResults
from msaas.jobs.adapters.worker_queue import BrokerWorkerQueue
from msaas.jobs.application.apply_billing import ApplyBilling
from msaas.jobs.application.collect_dead_letters import CollectDeadLettersTask
from msaas.jobs.application.dead_letters_ports import Pauses
from msaas.jobs.application.dead_letters_tasks import CountDeadLettersTask, DueReplaysTask
from msaas.jobs.application.dispatch_jobs import DispatchJobs
from msaas.jobs.application.due_jobs import DueJobsTask
from msaas.jobs.application.measure_queue import MeasureQueueTask
from msaas.jobs.application.persist_results import PersistResults
from msaas.jobs.application.ports import UploadLinks
from msaas.jobs.application.process_commands import ProcessCommands
from msaas.jobs.application.replay_dead_letters import DeadLetterReplayer
from msaas.jobs.application.republish_events import RepublishEvents
from msaas.jobs.application.resolve_dead_letters import DeadLetterResolver
from msaas.jobs.application.set_pauses import SetPauses
from msaas.jobs.application.sweep_leases import SweepLeasesTask
from msaas.jobs.domain.settlement import SettlementRules
from msaas.jobs.entrypoints.dispatcher import Dispatcher
from msaas.jobs.entrypoints.intake_list import IntakeListConsumer
from msaas.jobs.entrypoints.periodic_task import PeriodicTask
from msaas.jobs.entrypoints.republish_scheduler import RepublishScheduler
from msaas.jobs.entrypoints.sweeper import Sweeper
from msaas.jobs.entrypoints.topics import billing, commands, dead_letters, results
from msaas.jobs.settings import Settings
from msaas.kernel import SystemClock
from msaas.messaging import ConsumerTimings, Messenger, RedisBroker
from msaas.postgres import Database, PostgresConfig
from msaas.sealing import PrivateKey, Unsealer
from msaas.streams import ListMover
from msaas.telemetry import (
    Metrics,
    configure_logging,
    configure_tracing,
    instrument,
    shutdown_tracing,
)
from msaas.web import Health, create_internal_app, run_process

SERVICE = "jobs"
# Start and end of a short run, and what other runs report meanwhile, share one transaction.
RESULTS_LINGER = 0.015
DEAD_LETTERS_INTERVAL = 2.0
PRODUCES = (
    *("jobs.browser", "jobs.commands", "jobs.control", "jobs.events", "jobs.generic"),
    *("jobs.results", "usage.events"),
)


class BackgroundLoop(Protocol):
    """Runs beside the consumers until it is drained."""

    async def run(self) -> None: ...

    def drain(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Consumers and timers of one process."""

    messenger: Messenger
    dispatcher: Dispatcher
    loops: Sequence[BackgroundLoop]

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: first nothing new is begun, then what was begun is ended."""
        async with asyncio.TaskGroup() as group:
            for loop in (self.messenger, *self.loops):
                group.create_task(loop.run(), name=type(loop).__name__)
            await stop.wait()
            for loop in (*self.loops, self.messenger):
                loop.drain()


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
) -> Service:
    messenger = Messenger(
        broker, SERVICE, environment, metrics=metrics, produces=PRODUCES, timings=timings
    )
    workers = BrokerWorkerQueue(messenger)
    dispatch_store = PostgresDispatch(database, window=dispatch_window)
    dispatcher = Dispatcher(
        DispatchJobs(dispatch_store, workers, opener, metrics, upload_links=upload_links)
    )
    process_commands = ProcessCommands(
        PostgresIntake(database),
        workers,
        metrics,
        request_dispatch=dispatcher.request_dispatch,
        enforces_quota=enforces_quota,
    )
    pauses = PostgresPauses(database)
    set_pauses = SetPauses(pauses, request_dispatch=dispatcher.request_dispatch)
    handler, dead_letter_tasks = _build_dead_letter_tasks(
        messenger, database, metrics, process_commands, pauses
    )
    router = dead_letters.CommandsRouter(
        commands.CommandsHandler(process_commands, set_pauses), handler
    )
    messenger.consume_batches(commands.TOPIC, router)
    apply_billing = ApplyBilling(
        PostgresBilling(database), metrics, request_dispatch=dispatcher.request_dispatch
    )
    messenger.consume_batches(billing.TOPIC, billing.BillingHandler(apply_billing))
    intake = IntakeListConsumer(ListMover(broker), environment, SystemClock())
    recovery = _build_recovery_loops(messenger, database, metrics, dispatcher, set_pauses)
    stats = MeasureQueueTask(
        PostgresQueueStats(database, window=dispatch_window), metrics, SystemClock()
    )
    measurer = PeriodicTask([stats])
    loops = [dispatcher, intake, measurer, *recovery, dead_letter_tasks]
    return Service(messenger=messenger, dispatcher=dispatcher, loops=loops)


def _build_dead_letter_tasks(
    messenger: Messenger,
    database: Database,
    metrics: Metrics,
    process_commands: ProcessCommands,
    pauses: Pauses,
) -> tuple[dead_letters.DeadLettersHandler, BackgroundLoop]:
    """Keep what dies on our topics, and let it be replayed within limits."""
    store, streams = PostgresDeadLetters(database), BrokerDeadLetterStreams(messenger, SERVICE)
    replay = DeadLetterReplayer(store, pauses, streams, process_commands, metrics)
    collect = CollectDeadLettersTask(store, streams, messenger.publisher, metrics)
    watch = DueReplaysTask(store, pauses, messenger.publisher, SystemClock())
    tasks = PeriodicTask(
        [collect, watch, CountDeadLettersTask(store, metrics)], period=DEAD_LETTERS_INTERVAL
    )
    return dead_letters.DeadLettersHandler(store, replay, DeadLetterResolver(store, metrics)), tasks


def _build_recovery_loops(
    messenger: Messenger,
    database: Database,
    metrics: Metrics,
    dispatcher: Dispatcher,
    set_pauses: SetPauses,
) -> Sequence[BackgroundLoop]:
    """Settle what workers report, and look for what nobody reports."""
    once = frozenset(task.task_type for task in TASKS.values() if task.once)
    # Spreads retries; nobody gains by guessing it.
    rules = SettlementRules(once=once, jitter=random.random)
    persist = PersistResults(
        PostgresResults(database),
        messenger,
        metrics,
        rules,
        on_slot_freed=dispatcher.notify_slot_freed,
        on_woken=dispatcher.request_dispatch,
    )
    handler = results.ResultsHandler(persist, set_pauses)
    messenger.consume_batches(results.TOPIC, handler, linger=RESULTS_LINGER)
    publisher, clock = messenger.publisher, SystemClock()
    leases = PostgresLeases(database)
    sweep = SweepLeasesTask(leases, messenger, publisher, metrics, clock)
    deadlines = DueJobsTask(leases.list_past_deadline, DeadlinePassed, publisher, clock)
    waits = DueJobsTask(leases.list_due_to_wake, WakeJob, publisher, clock)
    sweeper = Sweeper([sweep, deadlines, waits], messenger.context.broker.now_ms, clock)
    republisher = RepublishScheduler(
        RepublishEvents(PostgresRepublishStore(database), BrokerWorkerQueue(messenger), publisher)
    )
    messenger.on_epoch(sweeper.notice_epoch)
    messenger.on_epoch(republisher.notice_epoch)
    return [sweeper, republisher]


def read_keys(text: str) -> Unsealer:
    return Unsealer([PrivateKey.parse(one.strip()) for one in text.split(",")])


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
    broker = RedisBroker(settings.redis_url.get_secret_value())
    setting = PostgresConfig(settings.database_url.get_secret_value())
    try:
        async with Database(setting, metrics) as database:
            service = assemble(
                database,
                broker,
                environment,
                metrics,
                opener=read_keys(settings.sealing_keys.get_secret_value()),
                dispatch_window=settings.dispatch_window,
                enforces_quota=settings.billing_enforcement_enabled,
                upload_links=open_store(StoreLocation(**place))
                if (place := settings.artifact_store_options)
                else None,
            )
            await _run(
                service, Health({"db": database.ping, "wire": broker.now_ms}), metrics, settings
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
