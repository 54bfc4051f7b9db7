"""Puts the service together: the one module that knows ports and adapters by name."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from msaas.artifacts import Place, open_store
from msaas.contracts import TASKS, DeadlinePassed, WakeJob
from msaas.jobs.adapters.graves import WireGraves
from msaas.jobs.adapters.postgres.billing import PostgresBilling
from msaas.jobs.adapters.postgres.dispatch import PostgresDispatch
from msaas.jobs.adapters.postgres.facts import PostgresFacts
from msaas.jobs.adapters.postgres.intake import PostgresIntake
from msaas.jobs.adapters.postgres.letters import PostgresLetters
from msaas.jobs.adapters.postgres.pauses import PostgresPauses
from msaas.jobs.adapters.postgres.queue_stats import PostgresQueueStats
from msaas.jobs.adapters.postgres.results import PostgresResults
from msaas.jobs.adapters.postgres.sweep import PostgresLeases
from msaas.jobs.adapters.workers import WireToWorkers
from msaas.jobs.application.apply_billing import ApplyBilling
from msaas.jobs.application.dispatch_jobs import DispatchJobs
from msaas.jobs.application.keep_letters import KeepLetters
from msaas.jobs.application.letters_ports import Pauses
from msaas.jobs.application.measure_queue import MeasureQueue
from msaas.jobs.application.persist_results import PersistResults
from msaas.jobs.application.ports import UploadLinks
from msaas.jobs.application.replay_letters import ReplayLetters
from msaas.jobs.application.republish_facts import RepublishFacts
from msaas.jobs.application.resolve_letters import ResolveLetters
from msaas.jobs.application.set_pauses import SetPauses
from msaas.jobs.application.settle_commands import SettleCommands
from msaas.jobs.application.sweep_leases import SweepLeases
from msaas.jobs.application.watch_replays import CountLetters, WatchReplays
from msaas.jobs.application.watch_times import WatchTimes
from msaas.jobs.domain.settling import Rules
from msaas.jobs.entrypoints.dispatcher import Dispatcher
from msaas.jobs.entrypoints.epoch import EpochKeeper
from msaas.jobs.entrypoints.intake_list import IntakeList
from msaas.jobs.entrypoints.rounds import Rounds
from msaas.jobs.entrypoints.sweeper import Sweeper
from msaas.jobs.entrypoints.topics import billing, commands, letters, results
from msaas.jobs.settings import Settings
from msaas.kernel import SystemClock
from msaas.messaging import Messenger, Pace, RedisWire
from msaas.postgres import Database, PostgresSetting
from msaas.sealing import Opener, PrivateKey
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
LETTERS_EVERY = 2.0
PRODUCES = (
    *("jobs.browser", "jobs.commands", "jobs.control", "jobs.events", "jobs.generic"),
    *("jobs.results", "usage.events"),
)


class Loop(Protocol):
    """Runs beside the consumers until it is drained."""

    async def run(self) -> None: ...

    def drain(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Consumers and timers of one process."""

    messenger: Messenger
    dispatcher: Dispatcher
    loops: Sequence[Loop]

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
    wire: RedisWire,
    environment: str,
    metrics: Metrics,
    *,
    opener: Opener,
    dispatch_window: int,
    enforces_quota: bool = True,
    pace: Pace | None = None,
    links: UploadLinks | None = None,
) -> Service:
    messenger = Messenger(wire, SERVICE, environment, metrics=metrics, produces=PRODUCES, pace=pace)
    workers = WireToWorkers(messenger)
    dispatch_record = PostgresDispatch(database, window=dispatch_window)
    dispatcher = Dispatcher(DispatchJobs(dispatch_record, workers, opener, metrics, links=links))
    settle = SettleCommands(
        PostgresIntake(database),
        workers,
        metrics,
        on_room=dispatcher.nudge,
        enforces_quota=enforces_quota,
    )
    pauses = PostgresPauses(database)
    set_pauses = SetPauses(pauses, on_room=dispatcher.nudge)
    handler, keeper = _look_after_letters(messenger, database, metrics, settle, pauses)
    router = letters.CommandsRouter(commands.CommandsHandler(settle, set_pauses), handler)
    messenger.batch(commands.TOPIC, router)
    account = ApplyBilling(PostgresBilling(database), metrics, on_room=dispatcher.nudge)
    messenger.batch(billing.TOPIC, billing.BillingHandler(account))
    intake = IntakeList(ListMover(wire), environment, SystemClock())
    recovery = _recover(messenger, database, metrics, dispatcher, set_pauses)
    stats = MeasureQueue(
        PostgresQueueStats(database, window=dispatch_window), metrics, SystemClock()
    )
    measurer = Rounds([stats])
    loops = [dispatcher, intake, measurer, *recovery, keeper]
    return Service(messenger=messenger, dispatcher=dispatcher, loops=loops)


def _look_after_letters(
    messenger: Messenger,
    database: Database,
    metrics: Metrics,
    settle: SettleCommands,
    pauses: Pauses,
) -> tuple[letters.LettersHandler, Loop]:
    """Keep what dies on our topics, and let it be replayed within limits."""
    store, graves = PostgresLetters(database), WireGraves(messenger, SERVICE)
    replay = ReplayLetters(store, pauses, graves, settle, metrics)
    keep = KeepLetters(store, graves, messenger.publisher, metrics)
    watch = WatchReplays(store, pauses, messenger.publisher, SystemClock())
    keeper = Rounds([keep, watch, CountLetters(store, metrics)], period=LETTERS_EVERY)
    return letters.LettersHandler(store, replay, ResolveLetters(store, metrics)), keeper


def _recover(
    messenger: Messenger,
    database: Database,
    metrics: Metrics,
    dispatcher: Dispatcher,
    set_pauses: SetPauses,
) -> Sequence[Loop]:
    """Settle what workers report, and look for what nobody reports."""
    once = frozenset(task.task_type for task in TASKS.values() if task.once)
    # Spreads retries; nobody gains by guessing it.
    rules = Rules(once=once, draw=random.random)
    persist = PersistResults(
        PostgresResults(database),
        messenger,
        metrics,
        rules,
        on_room=dispatcher.notice_room,
        on_woken=dispatcher.nudge,
    )
    handler = results.ResultsHandler(persist, set_pauses)
    messenger.batch(results.TOPIC, handler, linger=RESULTS_LINGER)
    publisher, clock = messenger.publisher, SystemClock()
    leases = PostgresLeases(database)
    sweep = SweepLeases(leases, messenger, publisher, metrics, clock)
    deadlines = WatchTimes(leases.list_past_deadline, DeadlinePassed, publisher, clock)
    waits = WatchTimes(leases.list_over, WakeJob, publisher, clock)
    sweeper = Sweeper([sweep, deadlines, waits], messenger.station.wire.now_ms, clock)
    keeper = EpochKeeper(RepublishFacts(PostgresFacts(database), messenger, publisher))
    messenger.on_epoch(sweeper.notice_epoch)
    messenger.on_epoch(keeper.notice_epoch)
    return [sweeper, keeper]


def read_keys(text: str) -> Opener:
    return Opener([PrivateKey.parse(one.strip()) for one in text.split(",")])


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
    wire = RedisWire(settings.redis_url.get_secret_value())
    setting = PostgresSetting(settings.database_url.get_secret_value())
    try:
        async with Database(setting, metrics) as database:
            service = assemble(
                database,
                wire,
                environment,
                metrics,
                opener=read_keys(settings.sealing_keys.get_secret_value()),
                dispatch_window=settings.dispatch_window,
                enforces_quota=settings.billing_enforcement_enabled,
                links=open_store(Place(**place)) if (place := settings.artifacts) else None,
            )
            await _run(
                service, Health({"db": database.ping, "wire": wire.now_ms}), metrics, settings
            )
    finally:
        await wire.close()
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
