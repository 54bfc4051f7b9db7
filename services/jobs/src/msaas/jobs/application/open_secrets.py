"""Opening what the gateway has sealed, for the envelope of a worker and for nothing else."""

from typing import Any

from msaas.jobs.application.ports import DispatchedJob
from msaas.sealing import Unsealer, is_sealed


def open_secrets(opener: Unsealer, job: DispatchedJob) -> dict[str, Any]:
    """Each seal belongs to its job and its field; one from elsewhere does not open."""
    return {
        name: opener.unseal(value, str(job.job_id), name) if is_sealed(value) else value
        for name, value in job.payload.items()
    }
