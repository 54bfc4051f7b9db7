"""What cancelling means for a job, by where it is."""

from enum import Enum, auto
from uuid import UUID

from msaas.contracts import JobStatus
from msaas.jobs.domain.errors import JobFinished


class CancelMode(Enum):
    IMMEDIATE = auto()  # nobody runs it: it ends in this very transaction
    COOPERATIVE = auto()  # somebody may be at it: asked to stop, it ends when it is reported
    ALREADY_CANCELLED = auto()  # it was cancelled before


def decide_cancel_mode(status: JobStatus, fence: UUID | None) -> CancelMode:
    """See a running job without a fence as what it is: one that waits, with no run to end."""
    match status:
        case JobStatus.PENDING:
            return CancelMode.IMMEDIATE
        case JobStatus.RUNNING:
            return CancelMode.IMMEDIATE if fence is None else CancelMode.COOPERATIVE
        case JobStatus.CANCELLED:
            return CancelMode.ALREADY_CANCELLED
        case JobStatus.COMPLETED | JobStatus.FAILED:
            raise JobFinished(status=status)
