"""The workflows and their child jobs that have ended, as their rows are now."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import orjson
from asyncpg import Record

from msaas.contracts import JobStatus
from msaas.jobs.application.child_outcomes import WORKFLOWS, EndedChild
from msaas.postgres import DatabaseConnection

_COLUMNS: Final = """
  c.id, c.user_id, c.parent_job_id, c.task_type, c.status, c.version, c.result, c.result_ref,
  c.decided_by_fence, c.failure_reason, c.last_error, c.finished_at, c.correlation_id
"""

FIND_ENDED: Final = f"""
SELECT {_COLUMNS} FROM jobs.jobs c
WHERE c.id = ANY($1::uuid[]) AND c.finished_at IS NOT NULL
  AND (c.parent_job_id IS NOT NULL AND c.source = 'agent' OR c.task_type = ANY($2::text[]))
"""  # noqa: S608  # fixed column names

# A parent with children has begun; the condition is that of the index of RUNNING jobs.
LIST_OF_OPEN_PARENTS: Final = f"""
SELECT {_COLUMNS} FROM jobs.jobs p JOIN jobs.jobs c ON c.parent_job_id = p.id
WHERE p.finished_at IS NULL AND p.status = 'RUNNING'
  AND c.source = 'agent' AND c.finished_at IS NOT NULL
LIMIT $1
"""  # noqa: S608  # fixed column names


async def find_ended(connection: DatabaseConnection, ids: Sequence[UUID]) -> list[EndedChild]:
    rows = await connection.fetch(FIND_ENDED, list(ids), list(WORKFLOWS)) if ids else []
    return [read_ended(row) for row in rows]


def read_ended(row: Record) -> EndedChild:
    result = row["result"]
    return EndedChild(
        id=row["id"],
        user_id=row["user_id"],
        parent_job_id=row["parent_job_id"],
        task_type=row["task_type"],
        status=JobStatus(row["status"]),
        version=row["version"],
        result=None if result is None else orjson.loads(result),
        result_ref=row["result_ref"],
        fence=row["decided_by_fence"],
        failure_reason=row["failure_reason"],
        last_error=row["last_error"],
        finished_at=row["finished_at"],
        correlation_id=row["correlation_id"],
    )
