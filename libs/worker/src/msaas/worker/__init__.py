"""Runs jobs on a worker: leases, heartbeats, progress, cancellation and results."""

from msaas.worker.artifact_uploads import HttpArtifactUploader
from msaas.worker.cancellation import find_cancelled
from msaas.worker.job_worker import JobWorker
from msaas.worker.run_context import (
    Action,
    ActionFailed,
    RunCancelled,
    RunContext,
    RunReleased,
    WaitForChildren,
)
from msaas.worker.serving import WorkerProcess, prepare_worker, serve_worker
from msaas.worker.work_consumer import AbandonReason, WorkConsumer

__all__ = [
    "AbandonReason",
    "Action",
    "ActionFailed",
    "HttpArtifactUploader",
    "JobWorker",
    "RunCancelled",
    "RunContext",
    "RunReleased",
    "WaitForChildren",
    "WorkConsumer",
    "WorkerProcess",
    "find_cancelled",
    "prepare_worker",
    "serve_worker",
]
