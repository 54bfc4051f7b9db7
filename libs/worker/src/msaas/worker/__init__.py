"""The worker's side of a job's life: lease, beats, progress, cancellation, result."""

from msaas.worker.job_worker import JobWorker
from msaas.worker.run import Action, ActionFailed, Run, RunCancelled, Wait
from msaas.worker.serving import WorkerProcess, prepare_worker, serve_worker
from msaas.worker.uploads import HttpUploads

__all__ = [
    "Action",
    "ActionFailed",
    "HttpUploads",
    "JobWorker",
    "Run",
    "RunCancelled",
    "Wait",
    "WorkerProcess",
    "prepare_worker",
    "serve_worker",
]
