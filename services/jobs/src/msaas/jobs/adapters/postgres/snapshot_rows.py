"""A row of jobs.jobs as the snapshot that outsiders see."""

from typing import Final

from asyncpg import Record

from msaas.contracts import JobStatus, Progress
from msaas.jobs.application.snapshots import JobSnapshot

SNAPSHOT: Final = (
    "id, user_id, task_type, status, attempts, updated_at, last_error, version, correlation_id"
)
"""The columns that `read_snapshot` needs, for a RETURNING or a SELECT from jobs.jobs alone."""


def read_snapshot(row: Record, progress: Progress | None = None) -> JobSnapshot:
    return JobSnapshot(
        id=row["id"],
        user_id=row["user_id"],
        task_type=row["task_type"],
        status=JobStatus(row["status"]),
        attempts=row["attempts"],
        updated_at=row["updated_at"],
        last_error=row["last_error"],
        version=row["version"],
        correlation_id=row["correlation_id"],
        progress=progress,
    )
