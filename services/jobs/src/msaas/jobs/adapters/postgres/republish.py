"""What Redis may have lost and is still true, read by one process at a time."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from msaas.contracts import PeriodCount, UsageCounted
from msaas.jobs.adapters.postgres.children import LIST_OF_OPEN_PARENTS, read_ended
from msaas.jobs.adapters.postgres.rows import read_charge, read_entry
from msaas.jobs.application.child_outcomes import EndedChild
from msaas.jobs.application.results_ports import (
    LastRepublish,
    OpenCancel,
    RepublishInProgress,
    UsageCursor,
    UsageToRepublish,
)
from msaas.jobs.domain.reports import RunKey
from msaas.postgres import Database, DatabaseConnection

ADVISORY_LOCK: Final = 0x6D73_6A6F_6273_6570
"""One republication at a time for all processes; the number is this service's own."""

FIND_LAST: Final = """
SELECT epoch, clock_timestamp() - republished_at AS age, cursor_subject_id, cursor_seq
FROM jobs.broker_epoch
"""

_USAGE: Final = """
SELECT
  e.subject_id, e.seq, e.user_id, e.kind, e.quantity, e.job_id, e.period_start, e.occurred_at,
  e.prev_hash, e.hash, coalesce(e.details ->> 'plan', s.plan) AS plan, j.correlation_id
FROM jobs.usage_events e
JOIN jobs.subjects s USING (subject_id)
LEFT JOIN jobs.jobs j ON j.id = e.job_id
"""

# The entries of each subject's current period and the one before it.
LIST_USAGE: Final = f"""{_USAGE}
WHERE (e.subject_id, e.seq) > ($1, $2)
  AND e.period_start >= coalesce((
    SELECT max(c.period_start) FROM jobs.usage_counters c
    WHERE c.subject_id = s.subject_id AND c.period_start < s.period_start
  ), s.period_start)
ORDER BY e.subject_id, e.seq LIMIT $3
"""  # noqa: S608  # fixed column names

LIST_ENTRIES: Final = f"""{_USAGE}
WHERE e.subject_id = $1 AND e.seq BETWEEN $2 AND coalesce($3, e.seq)
ORDER BY e.seq LIMIT $4
"""  # fixed column names

# One statement, so that counters and chain are of the same moment.
COUNT_USAGE: Final = """
SELECT s.last_seq, encode(s.head, 'hex') AS head, c.period_start, c.jobs_used
FROM jobs.subjects s LEFT JOIN LATERAL (
  SELECT period_start, jobs_used FROM jobs.usage_counters c
  WHERE c.subject_id = s.subject_id ORDER BY period_start DESC LIMIT 3
) c ON true
WHERE s.subject_id = $1
"""

LIST_OPEN_CANCELS: Final = """
SELECT id, fence, correlation_id FROM jobs.jobs
WHERE finished_at IS NULL AND (status = 'RUNNING' OR dispatched_at IS NOT NULL)
  AND fence IS NOT NULL AND cancel_requested_at IS NOT NULL
"""

SAVE_EPOCH: Final = """
INSERT INTO jobs.broker_epoch (epoch, cursor_subject_id, cursor_seq) VALUES ($1, $2, $3)
ON CONFLICT (only_row) DO UPDATE SET
  epoch = excluded.epoch, republished_at = clock_timestamp(),
  cursor_subject_id = excluded.cursor_subject_id, cursor_seq = excluded.cursor_seq
"""


class PostgresRepublish:
    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection

    async def lock(self) -> LastRepublish | None:
        fetchval = self._connection.fetchval
        if not await fetchval("SELECT pg_try_advisory_xact_lock($1)", ADVISORY_LOCK):
            raise RepublishInProgress(retry_after=1)
        row = await self._connection.fetchrow(FIND_LAST)
        if row is None:
            return None
        subject_id: UUID | None = row["cursor_subject_id"]
        cursor = None if subject_id is None else (subject_id, row["cursor_seq"])
        return LastRepublish(epoch=row["epoch"], age=row["age"], cursor=cursor)

    async def list_usage(self, after: UsageCursor, limit: int) -> Sequence[UsageToRepublish]:
        return _read_usage(await self._connection.fetch(LIST_USAGE, *after, limit))

    async def list_open_cancels(self) -> Sequence[OpenCancel]:
        rows = await self._connection.fetch(LIST_OPEN_CANCELS)
        return [
            OpenCancel(run=RunKey(row["id"], row["fence"]), correlation_id=row["correlation_id"])
            for row in rows
        ]

    async def list_ended_children(self, limit: int) -> Sequence[EndedChild]:
        rows = await self._connection.fetch(LIST_OF_OPEN_PARENTS, limit)
        return [read_ended(row) for row in rows]

    async def store(self, epoch: str, cursor: UsageCursor | None) -> None:
        await self._connection.execute(SAVE_EPOCH, epoch, *(cursor or (None, None)))


class PostgresUsageEntries:
    """Usage as it is stored, read for those that lack a part of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_entries(
        self, subject_id: UUID, first_seq: int, last_seq: int | None, limit: int
    ) -> Sequence[UsageToRepublish]:
        async with self._database.connection() as connection:
            arguments = (subject_id, first_seq, last_seq, limit)
            return _read_usage(await connection.fetch(LIST_ENTRIES, *arguments))

    async def count(self, subject_id: UUID) -> UsageCounted | None:
        async with self._database.connection() as connection:
            rows = await connection.fetch(COUNT_USAGE, subject_id)
        if not rows:
            return None
        periods = [row for row in rows if row["period_start"] is not None]
        return UsageCounted(
            subject_id=subject_id,
            last_seq=rows[0]["last_seq"],
            head=rows[0]["head"],
            periods=tuple(
                PeriodCount(period_start=row["period_start"], used=row["jobs_used"])
                for row in periods
            ),
        )


def _read_usage(rows: Sequence[Any]) -> list[UsageToRepublish]:
    return [
        # The job of an erased user is gone, and its correlation id with it.
        UsageToRepublish(
            entry=read_charge(row) if row["kind"] == "job_completed" else read_entry(row),
            correlation_id=row["correlation_id"] or str(row["job_id"] or row["subject_id"]),
        )
        for row in rows
    ]
