"""The worker's side of a job's life: lease, beats, progress, cancellation, result."""

from msaas.worker.job_worker import JobWorker
from msaas.worker.run_context import Action, ActionFailed, RunContext, RunCancelled, WaitForChildren
from msaas.worker.serving import WorkerProcess, prepare_worker, serve_worker
from msaas.worker.artifact_uploads import HttpArtifactUploader

__all__ = [
    "Action",
    "ActionFailed",
    "HttpArtifactUploader",
    "JobWorker",
    "RunContext",
    "RunCancelled",
    "WaitForChildren",
    "WorkerProcess",
    "prepare_worker",
    "serve_worker",
]
