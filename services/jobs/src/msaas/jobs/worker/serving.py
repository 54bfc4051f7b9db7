"""Assembles the generic worker."""

from collections.abc import Mapping

from msaas.jobs.settings import WorkerSettings
from msaas.jobs.worker.echo import Echo
from msaas.worker import WorkerProcess, prepare_worker, serve_worker

KIND = "jobs-worker"


async def serve(settings: WorkerSettings, flag_defaults: Mapping[str, bool]) -> None:
    process = WorkerProcess(
        kind=KIND,
        topic="jobs.generic",
        slots=settings.worker_slots,
        internal_address=(settings.internal_host, settings.internal_port),
        metrics=prepare_worker(KIND, settings),
    )
    await serve_worker(process, settings, [Echo()], flag_defaults)
