"""Assembles the service: the only module that names ports and adapters."""

import asyncio
import os
import random
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Final

from msaas.agents.adapters.jobs import BrokerFrames, BrokerJobs
from msaas.agents.adapters.postgres.retention import list_retention_rules
from msaas.agents.adapters.postgres.stores import Stores as PostgresStores
from msaas.agents.adapters.postgres.stores import build_stores
from msaas.agents.adapters.result_files import HttpResultFiles
from msaas.agents.application.answer_questions import AnswerQuestions
from msaas.agents.application.firewall import Firewall
from msaas.agents.application.guard import FLAGS
from msaas.agents.application.ports import Embedder, Memory, ModelGateway, Run, ToolPolicy, Workflow
from msaas.agents.application.run_ports import Services, Stores
from msaas.agents.application.run_workflow import RunMetrics, RunWorkflow
from msaas.agents.application.take_outcomes import TakeOutcomes
from msaas.agents.application.timers import (
    CheckQuietRunsTask,
    PublishFramesTask,
    WakeAnsweredTask,
)
from msaas.agents.entrypoints.topics import commands, outcomes
from msaas.agents.model_parts import build_embedder, build_memory, build_models
from msaas.agents.settings import AgentSettings
from msaas.agents.workflows import build_workflows
from msaas.kernel import PeriodicTask, RetryPolicy, SystemClock, Wait
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
from msaas.worker import JobWorker
from msaas.worker.active_runs import DEPENDENCY_ERRORS
from msaas.worker.artifact_uploads import HttpArtifactUploader
from msaas.worker.runtime_flags import FLAG_REFRESH_SECONDS, RuntimeFlags

SERVICE: Final = "agents"
TOPIC: Final = "jobs.agents"
FRAMES_PERIOD: Final = 0.5
WAKE_PERIOD: Final = 1.0
QUIET_PERIOD: Final = 60.0
RETENTION_RETRY: Final = 60.0
_BACKOFF: Final = RetryPolicy(base=0.1, cap=5.0, attempts=None)
_SHUTDOWN_GRACE: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a process is built from, beside the database and the broker."""

    models: ModelGateway
    embedder: Embedder
    memory: Memory
    workflows: Sequence[Workflow]
    policy: Callable[[Run], ToolPolicy] = Firewall


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    messenger: Messenger
    actions: Sequence[RunWorkflow]
    flags: RuntimeFlags
    tasks: Sequence[PeriodicTask]
    uploader: HttpArtifactUploader
    files: HttpResultFiles

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`; then let the runs stop at their next step, for others to go on."""
        with suppress(*DEPENDENCY_ERRORS):
            await self.flags.refresh()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.messenger.run(), name="messenger")
            for task in self.tasks:
                group.create_task(task.run(), name=task.name)
            await stop.wait()
            for action in self.actions:
                action.drain()
            self.messenger.drain()
            for task in self.tasks:
                task.drain()

    async def close(self) -> None:
        await self.uploader.close()
        await self.files.close()


def assemble(
    database: Database,
    broker: RedisBroker,
    environment: str,
    metrics: Metrics,
    parts: Parts,
    *,
    slots: int,
    flag_defaults: Mapping[str, bool],
    timings: ConsumerTimings | None = None,
) -> Service:
    stores = build_stores(database)
    messenger = Messenger(broker, SERVICE, environment, metrics=metrics, timings=timings)
    jobs = BrokerJobs(messenger.publisher, messenger.create_command_client())
    frames = BrokerFrames(messenger.publisher)
    flags = RuntimeFlags(broker, environment, flag_defaults, FLAGS)
    publish_frames = _periodic(
        "publish frames", PublishFramesTask(stores.frames, frames.publish), FRAMES_PERIOD
    )
    services = Services(
        models=parts.models,
        embedder=parts.embedder,
        memory=parts.memory,
        policy=parts.policy,
        children=jobs,
        tokens=frames,
        flags=flags,
        frames_ready=publish_frames.wake,
    )
    run_metrics, clock = RunMetrics(metrics), SystemClock()
    actions = [
        RunWorkflow(workflow, _run_stores(stores), services, run_metrics, clock)
        for workflow in parts.workflows
    ]
    uploader, files = HttpArtifactUploader(), HttpResultFiles()
    JobWorker(
        messenger,
        TOPIC,
        actions,
        slots=slots,
        name=f"{SERVICE}@{socket.gethostname()}:{os.getpid()}",
        metrics=metrics,
        uploader=uploader,
        flags=flags,
    )
    answer = AnswerQuestions(stores.approvals, jobs)
    messenger.consume_batches(commands.TOPIC, commands.CommandsHandler(answer), commands.MAX_BATCH)
    take = TakeOutcomes(stores.runs, stores.tools, files)
    messenger.consume_batches(outcomes.TOPIC, outcomes.OutcomesHandler(take), outcomes.MAX_BATCH)
    tasks = [
        publish_frames,
        _periodic("flags", flags.refresh, FLAG_REFRESH_SECONDS),
        _periodic("wake answered", WakeAnsweredTask(stores.approvals, jobs), WAKE_PERIOD),
        _periodic("check quiet runs", CheckQuietRunsTask(stores.runs, jobs, clock), QUIET_PERIOD),
        _periodic(
            "retention",
            RetentionTask(build_retention(database, metrics), jitter=random.random),
            RETENTION_RETRY,
        ),
    ]
    return Service(
        messenger=messenger,
        actions=actions,
        flags=flags,
        tasks=tasks,
        uploader=uploader,
        files=files,
    )


def build_retention(database: Database, metrics: Metrics) -> Retention:
    return Retention(SERVICE, database, list_retention_rules(), metrics)


def _run_stores(stores: PostgresStores) -> Stores:
    return Stores(
        runs=stores.runs,
        calls=stores.ledger,
        tools=stores.tools,
        approvals=stores.approvals,
        steps=stores.steps,
        documents=stores.documents,
        checkpoints=stores.checkpoints,
    )


def _periodic(name: str, step: Callable[[], Awaitable[Wait | None]], period: float) -> PeriodicTask:
    return PeriodicTask(
        name, step, period=period, report_failure=log_task_failure, backoff=_BACKOFF
    )


async def build_parts(
    settings: AgentSettings, stores: PostgresStores, metrics: Metrics, stack: AsyncExitStack
) -> Parts:
    embedder = build_embedder(settings, metrics)
    stack.push_async_callback(embedder.close)
    models = build_models(settings, metrics, embedder)
    stack.push_async_callback(models.close)
    memory = build_memory(settings, metrics, embedder, stores.memories)
    stack.push_async_callback(memory.close)
    return Parts(
        models=models,
        embedder=embedder,
        memory=memory,
        workflows=list(build_workflows().values()),
    )


async def serve(settings: AgentSettings, flag_defaults: Mapping[str, bool]) -> None:
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
    try:
        async with AsyncExitStack() as stack:
            broker = RedisBroker(settings.redis_url.get_secret_value(), metrics=metrics)
            stack.push_async_callback(broker.close)
            config = PostgresConfig(settings.database_url.get_secret_value())
            database = await stack.enter_async_context(Database(config, metrics))
            service = assemble(
                database,
                broker,
                environment,
                metrics,
                await build_parts(settings, build_stores(database), metrics, stack),
                slots=settings.slots,
                flag_defaults=flag_defaults,
            )
            stack.push_async_callback(service.close)
            # Models and memory are no part of health: a restart would not help.
            health = Health({"db": database.ping, "redis": broker.now_ms})
            await _run(service, health, metrics, settings)
    finally:
        shutdown_tracing()


async def _run(service: Service, health: Health, metrics: Metrics, settings: AgentSettings) -> None:
    async def work(stop: asyncio.Event) -> None:
        health.start()
        await service.run(stop)

    await run_process(
        work,
        internal_app=create_internal_app(health, metrics),
        internal_address=(settings.internal_host, settings.internal_port),
        health=health,
        drain_seconds=service.messenger.context.timings.drain_timeout + _SHUTDOWN_GRACE,
    )
