"""What outsiders may know of a job: a versioned snapshot, and the message that carries it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from msaas.contracts import JobChanged, JobFrame, JobStatus, Progress
from msaas.kernel import derive_id
from msaas.messaging import OutgoingMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSnapshot:
    """A row as it is; `progress` only where progress is all that changed."""

    id: UUID
    user_id: UUID
    task_type: str
    status: JobStatus
    attempts: int
    updated_at: datetime
    last_error: str | None
    version: int
    correlation_id: str
    progress: Progress | None = None

    def to_event(self, traceparent: str | None = None) -> OutgoingMessage:
        """Announce it under an id of its version: whoever publishes it again says the same."""
        frame = JobFrame(
            id=self.id,
            status=self.status,
            attempts=self.attempts,
            updated_at=self.updated_at,
            last_error=self.last_error,
        )
        message = JobChanged(
            frame=frame,
            user_id=self.user_id,
            task_type=self.task_type,
            version=self.version,
            correlation_id=self.correlation_id,
            progress=self.progress,
        )
        return OutgoingMessage(
            message=message,
            topic="jobs.events",
            id=derive_id(self.id, self.version),
            correlation_id=self.correlation_id,
            traceparent=traceparent,
        )
