"""Reads the views of agent runs with the permissions of the user.

A run is a job: until a worker begins it, and where its worker has died, the job says how it is.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import orjson

from msaas.contracts import TASKS
from msaas.gateway.application.agent_ports import RunFilter
from msaas.gateway.application.ports import Row
from msaas.gateway.domain.page_cursor import PageCursor
from msaas.postgres import Database

_TASK_TYPES: Final = [name for name in TASKS if name.startswith("workflow.")]

# The columns of a run `r` whose job is `j`; either may be missing.
_RUN: Final = """
coalesce(r.id, j.id) AS id,
coalesce(r.workflow_type, substr(j.task_type, 10)) AS workflow_type,
CASE
  WHEN r.state IN ('succeeded', 'failed', 'cancelled') THEN r.state
  WHEN j.status = 'COMPLETED' THEN 'succeeded'
  WHEN j.status IN ('FAILED', 'CANCELLED') THEN lower(j.status)
  ELSE coalesce(r.state, 'queued')
END AS state,
coalesce(r.title, left(coalesce(
  j.payload ->> 'question', j.payload ->> 'instruction', j.payload ->> 'name', ''), 200)) AS title,
r.version,
r.max_steps, r.max_tokens, r.max_cost_micro_usd, r.max_seconds, r.steps, r.model_calls,
r.repeated_calls, r.child_jobs, r.tokens_in, r.tokens_out, r.tokens_lost, r.tokens_reserved,
r.cost_micro_usd, r.cost_reserved_micro_usd, coalesce(r.partial, false) AS partial,
r.partial_reason,
coalesce(r.failure_reason, j.failure_reason) AS failure_reason,
coalesce(r.created_at, j.created_at) AS created_at,
coalesce(r.updated_at, j.updated_at) AS updated_at,
r.started_at, r.deadline_at, coalesce(r.finished_at, j.finished_at) AS finished_at,
j.cancel_requested_at IS NOT NULL AS cancel_requested
"""
_OPEN_APPROVALS: Final = """
(SELECT count(*) FROM api_v1.agent_approvals a
 WHERE a.run_id = runs.id AND a.state = 'open' AND a.expires_at > now()) AS open_approvals
"""
_EXISTS: Final = """
SELECT 1 FROM api_v1.agent_runs WHERE id = $1
UNION ALL SELECT 1 FROM api_v1.jobs WHERE id = $1 AND task_type = ANY ($2::text[])
"""
_FIND: Final = f"""
SELECT runs.*, {_OPEN_APPROVALS} FROM (
  SELECT {_RUN}, coalesce(r.params, j.payload) AS params, r.answer AS result
  FROM (SELECT * FROM api_v1.jobs WHERE id = $1 AND task_type = ANY ($2::text[])) j
  FULL JOIN (SELECT * FROM api_v1.agent_runs WHERE id = $1) r ON r.id = j.id
) runs
"""  # noqa: S608  # constant text
# Jobs that no worker has begun are few: they are found by their status.
_LIST: Final = f"""
SELECT runs.*, {_OPEN_APPROVALS} FROM (
  SELECT * FROM (
    SELECT {_RUN} FROM api_v1.agent_runs r LEFT JOIN api_v1.jobs j ON j.id = r.id
    UNION ALL
    SELECT {_RUN} FROM api_v1.jobs j LEFT JOIN api_v1.agent_runs r ON r.id = j.id
    WHERE j.status IN ('PENDING', 'RUNNING') AND j.task_type = ANY ($1::text[]) AND r.id IS NULL
  ) found
  WHERE ($2::text IS NULL OR workflow_type = $2) AND ($3::text IS NULL OR state = $3)
    AND ($4::timestamptz IS NULL OR (created_at, id) < ($4, $5::uuid))
  ORDER BY created_at DESC, id DESC LIMIT $6
) runs ORDER BY created_at DESC, id DESC
"""  # noqa: S608  # constant text
_STEPS: Final = """
SELECT seq, kind, state, title, detail, child_job_id, approval_id, started_at, finished_at,
  model_calls, tokens, cost_micro_usd
FROM api_v1.agent_steps WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT $3
"""
_APPROVALS: Final = """
SELECT id, kind, title, text, form, answer, expires_at, decided_at, created_at,
  CASE WHEN state = 'open' AND expires_at <= now() THEN 'expired' ELSE state END AS state
FROM api_v1.agent_approvals WHERE run_id = $1 ORDER BY created_at, id
"""
# A place begins at 0, `substr` at 1.
_PASSAGE: Final = """
SELECT sha256, url, title, $2::int AS start, $3::int AS end, length(text) AS length,
  substr(text, $2 + 1, $3 - $2) AS passage,
  right(substr(text, 1, $2), coalesce($4::int, length(text))) AS before,
  substr(text, $3 + 1, coalesce($4::int, length(text))) AS after
FROM api_v1.agent_documents WHERE sha256 = $1 AND $3 <= length(text)
"""


class PostgresAgentViews:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_runs(
        self, user_id: UUID, run_filter: RunFilter, before: PageCursor | None, limit: int
    ) -> Sequence[Row]:
        position = (before.created_at, before.id) if before else (None, None)
        chosen = (run_filter.workflow_type, run_filter.state)
        async with self._database.read_as(user_id) as connection:
            rows = await connection.fetch(_LIST, _TASK_TYPES, *chosen, *position, limit)
        return [dict(row) for row in rows]

    async def find_run(self, user_id: UUID, run_id: UUID) -> Row | None:
        async with self._database.read_as(user_id) as connection:
            row = await connection.fetchrow(_FIND, run_id, _TASK_TYPES)
        return None if row is None else dict(row)

    async def list_steps(
        self, user_id: UUID, run_id: UUID, after: int, limit: int
    ) -> Sequence[Row] | None:
        return await self._list_of_run(user_id, run_id, _STEPS, after, limit)

    async def list_approvals(self, user_id: UUID, run_id: UUID) -> Sequence[Row] | None:
        rows = await self._list_of_run(user_id, run_id, _APPROVALS)
        return None if rows is None else [_parse_approval(row) for row in rows]

    async def find_passage(
        self, user_id: UUID, run_id: UUID, sha256: str, span: tuple[int, int], around: int | None
    ) -> Row | None:
        found = await self._list_of_run(user_id, run_id, _PASSAGE, *span, around, subject=sha256)
        return found[0] if found else None

    async def _list_of_run(
        self, user_id: UUID, run_id: UUID, query: str, *values: object, subject: object = None
    ) -> Sequence[Row] | None:
        async with self._database.read_as(user_id) as connection:
            if await connection.fetchrow(_EXISTS, run_id, _TASK_TYPES) is None:
                return None
            rows = await connection.fetch(query, subject or run_id, *values)
        return [dict(row) for row in rows]


def _parse_approval(row: Row) -> Row:
    """Parse the columns of JSON, which Postgres returns as text."""
    answer = row["answer"] and orjson.loads(row["answer"])
    return {**row, "form": orjson.loads(row["form"]), "answer": answer}
