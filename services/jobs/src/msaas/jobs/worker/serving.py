"""Assembles the generic worker."""

from msaas.jobs.settings import WorkerSettings
from msaas.jobs.worker.echo import Echo
from msaas.worker import WorkerProcess, prepare_worker, serve_worker

KIND = "jobs-worker"


async def serve(settings: WorkerSettings) -> None:
    process = WorkerProcess(
        kind=KIND,
        topic="jobs.generic",
        slots=settings.worker_slots,
        internal_address=(settings.internal_host, settings.internal_port),
        metrics=prepare_worker(KIND, settings),
    )
    await serve_worker(process, settings, {"echo": Echo()})
