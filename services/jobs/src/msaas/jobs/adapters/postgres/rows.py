"""Columns and statements that several modules share, and their rows as values."""

from collections.abc import Iterable
from typing import Final

from asyncpg import Record

from msaas.contracts import TASKS, JobStatus, Plan, Progress
from msaas.jobs.application.events import JobSnapshot
from msaas.jobs.domain.charging import UsageCharge
from msaas.jobs.domain.ledgers import LedgerEntryKind, LinkedEntry
from msaas.postgres import DatabaseConnection

Row = tuple[object, ...]

TOPIC_OF: Final = {task.task_type: task.topic for task in TASKS.values()}

SNAPSHOT: Final = (
    "id, user_id, task_type, status, attempts, updated_at, last_error, version, correlation_id"
)
"""The columns of `read_snapshot`, for a RETURNING or a SELECT from jobs.jobs alone."""

CHANGED: Final = ", ".join(f"j.{column}" for column in SNAPSHOT.split(", "))
"""The same of a table named `j`."""

ACTIVE_PAUSES: Final = (
    "SELECT DISTINCT task_type FROM jobs.pauses WHERE until IS NULL OR until > now()"
)

# Every transaction that ends a child locks the same subject, so that of two that end the last two
# children one sees both. The waiting jobs are locked before, in the order of all locks; their
# children are only read. The jobs of the second parameter have been answered.
WAKE: Final = """
UPDATE jobs.jobs p SET waiting_for = NULL, wake_at = now()
WHERE p.id = ANY($1::uuid[]) AND p.finished_at IS NULL AND p.waiting_for IS NOT NULL AND (
  p.wake_at <= now() OR p.id = ANY($2::uuid[])
  OR p.waiting_for <> '{}' AND NOT EXISTS (
    SELECT FROM jobs.jobs c
    WHERE c.parent_job_id = p.id AND c.id = ANY(p.waiting_for) AND c.finished_at IS NULL
  )
)
RETURNING p.id
"""


async def fetch_rows(
    connection: DatabaseConnection, statement: str, rows: Iterable[Row], *more: object
) -> list[Record]:
    """Run a statement that takes an array for each column; without rows there is nothing to do."""
    columns = list(zip(*rows, strict=True))
    return await connection.fetch(statement, *columns, *more) if columns else []


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


def read_charge(row: Record) -> UsageCharge:
    return UsageCharge(
        subject_id=row["subject_id"],
        user_id=row["user_id"],
        seq=row["seq"],
        job_id=row["job_id"],
        quantity=row["quantity"],
        occurred_at=row["occurred_at"],
        period_start=row["period_start"],
        plan=Plan(row["plan"]),
        prev_hash=row["prev_hash"].hex(),
        hash=row["hash"].hex(),
    )


def read_entry(row: Record) -> LinkedEntry:
    return LinkedEntry(
        subject_id=row["subject_id"],
        seq=row["seq"],
        kind=LedgerEntryKind(row["kind"]),
        quantity=row["quantity"],
        period_start=row["period_start"],
        occurred_at=row["occurred_at"],
        prev_hash=row["prev_hash"].hex(),
        hash=row["hash"].hex(),
    )
