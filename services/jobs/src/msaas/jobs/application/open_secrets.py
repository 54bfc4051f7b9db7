"""Opening what the gateway has sealed, for the envelope of a worker and for nothing else."""

from typing import Any

from msaas.jobs.application.ports import Dispatch
from msaas.sealing import Opener, is_sealed


def open_secrets(opener: Opener, one: Dispatch) -> dict[str, Any]:
    """Each seal belongs to its job and its field; one from elsewhere does not open."""
    return {
        name: opener.open(value, str(one.job_id), name) if is_sealed(value) else value
        for name, value in one.payload.items()
    }
