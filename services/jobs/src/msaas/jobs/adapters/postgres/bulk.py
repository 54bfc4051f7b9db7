"""Bulk changes of jobs: what is to be changed, and how far it has come."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from asyncpg import ForeignKeyViolationError

from msaas.contracts import BulkAction, ChangeJobs
from msaas.jobs.application.bulk_ports import BulkPart, StalledBulk
from msaas.jobs.domain.errors import UserNotFound
from msaas.postgres import Database

_ADD: Final = """
INSERT INTO jobs.bulk_changes (id, user_id, action, job_ids, total, finished_at)
SELECT $1, $2, $3, $4, total, CASE WHEN total = 0 THEN now() END
FROM cardinality($4::uuid[]) AS given (total)
ON CONFLICT (id) DO NOTHING
"""
_FIND_TOTAL: Final = "SELECT total FROM jobs.bulk_changes WHERE id = $1"
_FIND_PART: Final = """
SELECT action, job_ids[$3 + 1 : $3 + $4] AS job_ids FROM jobs.bulk_changes
WHERE id = $1 AND user_id = $2 AND total > $3
"""
# Of several deliveries of the same part, the first is counted.
_FINISH_PART: Final = """
UPDATE jobs.bulk_changes SET
  done = $2 + $3, changed_job_ids = changed_job_ids || $4::uuid[], touched_at = now(),
  finished_at = CASE WHEN $2 + $3 >= total THEN now() END
WHERE id = $1 AND done = $2 AND finished_at IS NULL
"""
_IS_NEXT_MISSING: Final = """
SELECT EXISTS (SELECT FROM jobs.bulk_changes WHERE id = $1 AND done = $2 AND finished_at IS NULL)
"""
# Marked here, so that the command is not sent again before it can have been handled.
_LIST_STALLED: Final = """
UPDATE jobs.bulk_changes SET touched_at = now() WHERE id IN (
  SELECT id FROM jobs.bulk_changes
  WHERE finished_at IS NULL AND touched_at < now() - interval '15 seconds'
  ORDER BY touched_at LIMIT 100 FOR UPDATE SKIP LOCKED
) RETURNING id AS bulk_id, user_id, done
"""


class PostgresBulk:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, command: ChangeJobs) -> int:
        values = (command.bulk_id, command.user_id, command.action, list(command.job_ids))
        try:
            async with self._database.transaction() as connection:
                await connection.execute(_ADD, *values)
                total: int = await connection.fetchval(_FIND_TOTAL, command.bulk_id)
        except ForeignKeyViolationError:
            raise UserNotFound from None
        return total

    async def exists(self, bulk_id: UUID) -> bool:
        async with self._database.connection() as connection:
            return await connection.fetchval(_FIND_TOTAL, bulk_id) is not None

    async def find_part(
        self, bulk_id: UUID, user_id: UUID, done: int, limit: int
    ) -> BulkPart | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_FIND_PART, bulk_id, user_id, done, limit)
        if row is None:
            return None
        return BulkPart(action=BulkAction(row["action"]), done=done, job_ids=row["job_ids"])

    async def finish_part(self, bulk_id: UUID, part: BulkPart, changed: Sequence[UUID]) -> bool:
        size = len(part.job_ids)
        async with self._database.transaction() as connection:
            await connection.execute(_FINISH_PART, bulk_id, part.done, size, list(changed))
            return bool(await connection.fetchval(_IS_NEXT_MISSING, bulk_id, part.done + size))

    async def list_stalled(self) -> Sequence[StalledBulk]:
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_LIST_STALLED)
        return [StalledBulk(**row) for row in rows]
