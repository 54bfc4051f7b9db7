"""What cancelling means for a job, by where it is."""

from enum import Enum, auto
from uuid import UUID

from msaas.contracts import JobStatus
from msaas.jobs.domain.errors import JobFinished


class Cancelling(Enum):
    NOW = auto()  # nobody runs it: it ends in this very transaction
    ON_REPORT = auto()  # somebody may be at it: asked to stop, it ends when it is reported
    DONE = auto()  # it was cancelled before


def decide_cancelling(status: JobStatus, fence: UUID | None) -> Cancelling:
    """See a running job without a fence as what it is: one that waits, with no run to end."""
    match status:
        case JobStatus.PENDING:
            return Cancelling.NOW
        case JobStatus.RUNNING:
            return Cancelling.NOW if fence is None else Cancelling.ON_REPORT
        case JobStatus.CANCELLED:
            return Cancelling.DONE
        case JobStatus.COMPLETED | JobStatus.FAILED:
            raise JobFinished(status=status)
