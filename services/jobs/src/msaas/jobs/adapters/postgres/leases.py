"""The runs and jobs whose time is over."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from asyncpg import Record

from msaas.jobs.application.results_ports import DueJob, OverdueReason, OverdueRun
from msaas.jobs.domain.reports import RunKey
from msaas.postgres import Database

MAX_OVERDUE: Final = 5_000
MAX_DUE: Final = 500

# Reads dispatched jobs and nothing else: the condition is that of the index. Unread envelopes come
# last, so that they never hide a run whose lease has ended.
OVERDUE: Final = """
SELECT id, fence, task_type, correlation_id, entry_id, lease_until, reason
FROM jobs.jobs CROSS JOIN LATERAL (SELECT CASE
  WHEN status = 'RUNNING' AND cancel_requested_at < now() - $2::interval THEN 'cancel'
  WHEN lease_until IS NULL AND dispatched_at < now() - $1::interval THEN 'entry'
  WHEN status = 'RUNNING' AND lease_until < now() THEN 'lease'
END AS reason) AS checked
WHERE finished_at IS NULL AND (status = 'RUNNING' OR dispatched_at IS NOT NULL)
  AND fence IS NOT NULL AND reason IS NOT NULL
ORDER BY reason = 'entry' LIMIT $3
"""


# A run that has begun is left to its worker, which watches the deadline itself.
PAST_DEADLINE: Final = """
SELECT id, user_id, correlation_id FROM jobs.jobs
WHERE finished_at IS NULL AND deadline_at < now() AND (status = 'PENDING' OR fence IS NULL)
ORDER BY deadline_at LIMIT $1
"""


# The earliest first, by the index of waiting jobs.
DUE_TO_WAKE: Final = """
SELECT id, user_id, correlation_id FROM jobs.jobs
WHERE finished_at IS NULL AND waiting_for IS NOT NULL AND wake_at <= now()
ORDER BY wake_at LIMIT $1
"""


class PostgresLeases:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_overdue(
        self, *, start_timeout: timedelta, cancel_timeout: timedelta
    ) -> Sequence[OverdueRun]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(OVERDUE, start_timeout, cancel_timeout, MAX_OVERDUE)
        return [_read(row) for row in rows]

    async def list_past_deadline(self) -> Sequence[DueJob]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(PAST_DEADLINE, MAX_DUE)
        return [_read_job(row) for row in rows]

    async def list_due_to_wake(self) -> Sequence[DueJob]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(DUE_TO_WAKE, MAX_DUE)
        return [_read_job(row) for row in rows]


def _read_job(row: Record) -> DueJob:
    return DueJob(job_id=row["id"], user_id=row["user_id"], correlation_id=row["correlation_id"])


def _read(row: Record) -> OverdueRun:
    return OverdueRun(
        run=RunKey(row["id"], row["fence"]),
        task_type=row["task_type"],
        correlation_id=row["correlation_id"],
        reason=OverdueReason(row["reason"]),
        entry_id=row["entry_id"],
        lease_until=row["lease_until"],
    )
