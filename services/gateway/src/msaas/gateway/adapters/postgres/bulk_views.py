"""Reads bulk changes, and the jobs that one is about, with the permissions of the user."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msaas.gateway.adapters.postgres.job_views import build_conditions
from msaas.gateway.application.ports import JobFilter, Row
from msaas.postgres import Database

_FIND: Final = """
SELECT id, action, total, done, cardinality(changed_job_ids) AS changed, created_at, finished_at
FROM api_v1.bulk_changes WHERE id = $1
"""


class PostgresBulkViews:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, user_id: UUID, job_filter: JobFilter) -> tuple[int, int]:
        conditions, values = build_conditions(job_filter)
        query = "SELECT count(*) AS jobs, count(*) FILTER (WHERE billable) AS billable"
        async with self._database.read_as(user_id) as connection:
            row = await connection.fetchrow(f"{query} FROM api_v1.jobs {conditions}", *values)
        return (row["jobs"], row["billable"]) if row else (0, 0)

    async def list_ids(self, user_id: UUID, job_filter: JobFilter, limit: int) -> Sequence[UUID]:
        conditions, values = build_conditions(job_filter)
        query = (
            f"SELECT id FROM api_v1.jobs {conditions}"  # noqa: S608  # values are parameters
            f" ORDER BY created_at, id LIMIT {int(limit)}"
        )
        async with self._database.read_as(user_id) as connection:
            return [row["id"] for row in await connection.fetch(query, *values)]

    async def find(self, user_id: UUID, bulk_id: UUID) -> Row | None:
        async with self._database.read_as(user_id) as connection:
            row = await connection.fetchrow(_FIND, bulk_id)
        return None if row is None else dict(row)
