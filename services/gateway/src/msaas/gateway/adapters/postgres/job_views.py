"""Reads the views of jobs with the permissions of the user; the database filters the rows."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import orjson

from msaas.gateway.adapters.postgres.queue_views import add_queue_positions
from msaas.gateway.adapters.postgres.search_conditions import SearchConditions
from msaas.gateway.application.ports import JobFilter, JobHistory, Row
from msaas.gateway.domain.page_cursor import PageCursor
from msaas.postgres import Database

_SUMMARY = """
id, task_type, status, priority, attempts, max_attempts, source, run_at, deadline_at, created_at,
updated_at, started_at, finished_at, cancel_requested_at IS NOT NULL AS cancel_requested, progress,
last_error, failure_reason, correlation_id, version, billable, payload ->> 'url' AS url, api_key_id,
(SELECT name FROM api_v1.api_keys k WHERE k.id = api_key_id) AS api_key_name
"""
_JOB = f"SELECT {_SUMMARY}, payload AS params FROM api_v1.jobs WHERE id = $1"  # noqa: S608  # constant text
_COUNTS = "SELECT status, count(*) AS jobs FROM api_v1.jobs GROUP BY status"
# Moments, so that each is a position of a cursor; $1 is the moment of the list's first page.
_ORDER_COLUMNS: Final[Mapping[str, str]] = {
    "created": "created_at",
    "finished": "coalesce(finished_at, $1::timestamptz)",
    "took": (
        "to_timestamp(0) + greatest(interval '0', "
        "coalesce(coalesce(finished_at, $1::timestamptz) - started_at, interval '0'))"
    ),
}
_ROWS = f"SELECT {_SUMMARY} FROM api_v1.jobs WHERE id = ANY($1::uuid[])"  # noqa: S608  # constant text
_PROGRESS = "SELECT status, progress, updated_at FROM api_v1.jobs WHERE id = $1"
_DECIDING_RUN = "SELECT decided_by FROM api_v1.jobs WHERE id = $1"
_RESULT = """
SELECT id, task_type, status, result, result_ref, failure_reason, last_error, finished_at,
  content_removed_at
FROM api_v1.jobs WHERE id = $1
"""
_ATTEMPT = """
attempt, dispatched_at, started_at, finished_at, outcome, reason, error, timings_ms, waited_ms,
waited_for
"""
_OF_JOB = "FROM api_v1.job_attempts WHERE job_id = $1 ORDER BY dispatched_at, attempt"
_ATTEMPTS = f"SELECT {_ATTEMPT} {_OF_JOB}"  # constant text
_ATTEMPTS_WITH_NETWORK = f"SELECT {_ATTEMPT}, network {_OF_JOB}"  # constant text
_HISTORY = f"""
SELECT {_SUMMARY}, cancel_requested_at FROM api_v1.jobs WHERE id = $1
"""  # noqa: S608  # constant text
_CHARGES = """
SELECT seq, quantity, period_start, occurred_at FROM api_v1.charges WHERE job_id = $1 ORDER BY seq
"""
_ACCOUNT = """
SELECT id, email, display_name, role, plan, locale, created_at, quota_notifications FROM api_v1.me
"""
_USAGE = """
SELECT plan, period_start, period_end, jobs_used, jobs_reserved, jobs_limit FROM api_v1.usage
WHERE now() >= period_start AND now() < period_end ORDER BY period_start DESC LIMIT 1
"""


class PostgresJobViews:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_job(self, user_id: UUID, job_id: UUID) -> Row | None:
        async with self._database.read_as(user_id) as connection:
            row = await connection.fetchrow(_JOB, job_id)
            rows = await add_queue_positions(connection, [] if row is None else [dict(row)])
        return next(iter(rows), None)

    async def find_progress(self, user_id: UUID, job_id: UUID) -> Row | None:
        return await self._find(user_id, _PROGRESS, job_id)

    async def find_result(self, user_id: UUID, job_id: UUID) -> Row | None:
        return await self._find(user_id, _RESULT, job_id)

    async def find_deciding_run(self, user_id: UUID, job_id: UUID) -> Row | None:
        return await self._find(user_id, _DECIDING_RUN, job_id)

    async def find_account(self, user_id: UUID) -> Row | None:
        return await self._find(user_id, _ACCOUNT)

    async def find_usage(self, user_id: UUID) -> Row | None:
        return await self._find(user_id, _USAGE)

    async def list_jobs(
        self, user_id: UUID, job_filter: JobFilter, before: PageCursor | None, limit: int
    ) -> Sequence[Row]:
        query, values = build_list_query(job_filter, before)
        async with self._database.read_as(user_id) as connection:
            rows = await connection.fetch(f"{query} LIMIT {int(limit)}", *values)
            return await add_queue_positions(connection, [dict(row) for row in rows])

    async def list_rows(self, user_id: UUID, job_ids: Sequence[UUID]) -> Sequence[Row]:
        async with self._database.read_as(user_id) as connection:
            rows = await connection.fetch(_ROWS, list(job_ids))
            return await add_queue_positions(connection, [dict(row) for row in rows])

    async def read_snapshot(
        self, user_id: UUID, limit: int
    ) -> tuple[Sequence[Row], Mapping[str, int]]:
        query, values = build_list_query(JobFilter(), None)
        async with self._database.read_as(user_id) as connection:
            rows = await connection.fetch(f"{query} LIMIT {int(limit)}", *values)
            counts = await connection.fetch(_COUNTS)
            shown = await add_queue_positions(connection, [dict(row) for row in rows])
        return shown, {row["status"]: row["jobs"] for row in counts}

    async def count_jobs(self, user_id: UUID, job_filter: JobFilter) -> Mapping[str, int]:
        conditions, values = build_conditions(job_filter)
        query = f"SELECT status, count(*) AS jobs FROM api_v1.jobs {conditions} GROUP BY status"  # noqa: S608  # values are parameters
        async with self._database.read_as(user_id) as connection:
            rows = await connection.fetch(query, *values)
        return {row["status"]: row["jobs"] for row in rows}

    async def list_attempts(self, user_id: UUID, job_id: UUID) -> Sequence[Row] | None:
        async with self._database.read_as(user_id) as connection:
            if await connection.fetchrow(_PROGRESS, job_id) is None:
                return None
            rows = await connection.fetch(_ATTEMPTS, job_id)
        return [dict(row) for row in rows]

    async def find_history(self, user_id: UUID, job_id: UUID) -> JobHistory | None:
        async with self._database.read_as(user_id) as connection:
            job = await connection.fetchrow(_HISTORY, job_id)
            if job is None:
                return None
            attempts = await connection.fetch(_ATTEMPTS_WITH_NETWORK, job_id)
            charges = await connection.fetch(_CHARGES, job_id)
        return JobHistory(
            _parse_json_column(dict(job), "progress"),
            [
                _parse_json_column(_parse_json_column(dict(row), "timings_ms"), "network")
                for row in attempts
            ],
            [dict(row) for row in charges],
        )

    async def _find(self, user_id: UUID, query: str, *values: object) -> Row | None:
        async with self._database.read_as(user_id) as connection:
            row = await connection.fetchrow(query, *values)
        return None if row is None else dict(row)


def _parse_json_column(row: Row, column: str) -> Row:
    """Parse one JSON column, which Postgres returns as text."""
    text = row[column]
    return {**row, column: None if text is None else orjson.loads(text)}


def build_list_query(job_filter: JobFilter, before: PageCursor | None) -> tuple[str, list[object]]:
    """Build one statement per combination of filters, so that each has its own query plan."""
    order = job_filter.order
    column = _ORDER_COLUMNS[order.key]
    values: list[object] = []
    shown = _SUMMARY
    if column != "created_at":
        values.append(job_filter.as_of or datetime.now(UTC))
        shown = f"{_SUMMARY}, {column} AS position"
    conditions = _build_conditions(job_filter, values)
    if before is not None:
        values += (before.created_at, before.id)
        comparison = "<" if order.is_descending else ">"
        conditions.append(f"({column}, id) {comparison} (${len(values) - 1}, ${len(values)})")
    direction = "DESC" if order.is_descending else "ASC"
    return (
        f"SELECT {shown} FROM api_v1.jobs {_build_where(conditions)}"  # noqa: S608  # values are parameters
        f" ORDER BY {column} {direction}, id {direction}"
    ), values


def build_conditions(job_filter: JobFilter) -> tuple[str, list[object]]:
    """Return the WHERE clause of a filter and its parameters."""
    values: list[object] = []
    return _build_where(_build_conditions(job_filter, values)), values


def _build_where(conditions: Sequence[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def _build_conditions(job_filter: JobFilter, values: list[object]) -> list[str]:
    conditions: list[str] = []
    for condition, value in (
        ("status = {}", job_filter.status and str(job_filter.status)),
        ("task_type = {}", job_filter.task_type),
        ("created_at > {}", job_filter.created_after),
    ):
        if value is not None:
            values.append(value)
            conditions.append(condition.format(f"${len(values)}"))
    as_of = job_filter.as_of or datetime.now(UTC)
    return conditions + SearchConditions(values, as_of).build(job_filter.search)
