"""Computes each summary in one statement, with the permissions of the user."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from msaas.gateway.application.summary_ports import Summary
from msaas.gateway.domain.forecasts import RECENT_WINDOW
from msaas.postgres import Database

# Whole days in UTC, today included; the parameter is the number of days.
_SINCE = "(date_trunc('day', now(), 'UTC') - make_interval(days => $1::int - 1))"
_DAYS = f"""
SELECT day::date AS day FROM generate_series(
  {_SINCE} AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC', interval '1 day'
) AS day
"""  # noqa: S608 - constant text
_PRESENT = """
SELECT * FROM api_v1.usage WHERE now() >= period_start AND now() < period_end
ORDER BY period_start DESC LIMIT 1
"""
_DAY_OF_CHARGE = "(occurred_at AT TIME ZONE 'UTC')::date"
_USAGE = f"""
WITH present AS ({_PRESENT}), days AS (
  SELECT {_DAY_OF_CHARGE} AS day, sum(quantity)::bigint AS jobs
  FROM api_v1.charges c JOIN present p USING (period_start)
  WHERE occurred_at >= p.period_start AND kind = 'job_completed'
  GROUP BY 1 ORDER BY 1
), earlier AS (
  SELECT plan, period_start, period_end, jobs_used, jobs_limit
  FROM api_v1.usage WHERE period_end <= now() ORDER BY period_start DESC LIMIT 12
)
SELECT json_build_object(
  'current', (SELECT json_build_object(
    'plan', plan, 'period_start', period_start, 'resets_at', period_end, 'jobs_used', jobs_used,
    'jobs_reserved', jobs_reserved, 'jobs_limit', jobs_limit,
    'by_day', (SELECT coalesce(json_agg(days), '[]') FROM days)
  ) FROM present),
  'earlier', (SELECT coalesce(json_agg(earlier), '[]') FROM earlier)
)
WHERE EXISTS (SELECT FROM api_v1.usage)
"""  # noqa: S608 - constant text
_USAGE_TREND = f"""
WITH charged AS (
  SELECT {_DAY_OF_CHARGE} AS day, sum(quantity)::bigint AS jobs FROM api_v1.charges
  WHERE occurred_at >= {_SINCE} AND kind = 'job_completed' GROUP BY 1
), days AS (
  SELECT day, coalesce(jobs, 0) AS jobs FROM ({_DAYS}) AS d LEFT JOIN charged USING (day)
  ORDER BY day
)
SELECT json_build_object('total', sum(jobs)::bigint, 'by_day', json_agg(days)) FROM days
HAVING sum(jobs) > 0
"""  # noqa: S608 - constant text
_MAX_GROUPS: Final = 20


def _build_grouped_trend(column: str) -> str:
    """Group by a column of jobs; what belongs to no job that is visible is one group, null."""
    return f"""
    WITH charged AS (
      SELECT j.{column}::text AS group_key, (c.occurred_at AT TIME ZONE 'UTC')::date AS day,
        sum(c.quantity)::bigint AS jobs
      FROM api_v1.charges c LEFT JOIN api_v1.jobs j ON j.id = c.job_id
      WHERE c.occurred_at >= {_SINCE} AND c.kind = 'job_completed' GROUP BY 1, 2
    ), groups AS (
      SELECT group_key AS key, sum(jobs)::bigint AS total,
        json_agg(json_build_object('day', day, 'jobs', jobs) ORDER BY day) AS by_day
      FROM charged GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_MAX_GROUPS}
    ), days AS (
      SELECT day, coalesce(sum(jobs), 0)::bigint AS jobs
      FROM ({_DAYS}) AS d LEFT JOIN charged USING (day) GROUP BY 1 ORDER BY 1
    )
    SELECT json_build_object(
      'total', sum(jobs)::bigint, 'by_day', json_agg(days),
      'groups', (SELECT json_agg(groups) FROM groups)
    ) FROM days HAVING sum(jobs) > 0
    """  # noqa: S608 - constant text


_RECENT = f"FROM api_v1.jobs WHERE created_at >= {_SINCE}"
_COUNTS = """
sum(n)::bigint AS jobs,
coalesce(sum(n) FILTER (WHERE status = 'PENDING'), 0)::bigint AS pending,
coalesce(sum(n) FILTER (WHERE status = 'RUNNING'), 0)::bigint AS running,
coalesce(sum(n) FILTER (WHERE status = 'COMPLETED'), 0)::bigint AS completed,
coalesce(sum(n) FILTER (WHERE status = 'FAILED'), 0)::bigint AS failed,
coalesce(sum(n) FILTER (WHERE status = 'CANCELLED'), 0)::bigint AS cancelled
"""
_GROUPED = f"""
SELECT (created_at AT TIME ZONE 'UTC')::date AS day, task_type, status, failure_reason,
  count(*) AS n {_RECENT} GROUP BY 1, 2, 3, 4
"""
_JOBS_OVERVIEW = f"""
WITH grouped AS MATERIALIZED ({_GROUPED}),
total AS (SELECT {_COUNTS} FROM grouped),
tasks AS (SELECT task_type, {_COUNTS} FROM grouped GROUP BY 1 ORDER BY jobs DESC, task_type),
counted AS (SELECT day, {_COUNTS} FROM grouped GROUP BY 1),
days AS (
  SELECT day, coalesce(jobs, 0) AS jobs, coalesce(pending, 0) AS pending,
    coalesce(running, 0) AS running, coalesce(completed, 0) AS completed,
    coalesce(failed, 0) AS failed, coalesce(cancelled, 0) AS cancelled
  FROM ({_DAYS}) AS d LEFT JOIN counted USING (day) ORDER BY day
),
failures AS (
  SELECT id, task_type, failure_reason, attempts, finished_at {_RECENT} AND status = 'FAILED'
  ORDER BY finished_at DESC LIMIT 10
)
SELECT json_build_object(
  'total', (SELECT row_to_json(total) FROM total),
  'by_task', (SELECT json_agg(tasks) FROM tasks),
  'by_day', (SELECT json_agg(days) FROM days),
  'recent_failures', (SELECT coalesce(json_agg(failures), '[]') FROM failures)
) WHERE EXISTS (SELECT FROM grouped)
"""  # noqa: S608 - constant text
_RATES = """
coalesce(sum(n) FILTER (WHERE status = 'COMPLETED'), 0)::bigint AS completed,
coalesce(sum(n) FILTER (WHERE status = 'FAILED'), 0)::bigint AS failed,
round(
  coalesce(sum(n) FILTER (WHERE status = 'COMPLETED'), 0)
  / nullif(sum(n) FILTER (WHERE status IN ('COMPLETED', 'FAILED')), 0), 4
) AS rate
"""
_SUCCESS_RATE = f"""
WITH grouped AS MATERIALIZED (
  SELECT * FROM ({_GROUPED}) AS g WHERE status IN ('COMPLETED', 'FAILED')
),
total AS (SELECT {_RATES} FROM grouped),
tasks AS (SELECT task_type, {_RATES} FROM grouped GROUP BY 1 ORDER BY sum(n) DESC, task_type),
counted AS (SELECT day, {_RATES} FROM grouped GROUP BY 1),
days AS (
  SELECT day, coalesce(completed, 0) AS completed, coalesce(failed, 0) AS failed, rate
  FROM ({_DAYS}) AS d LEFT JOIN counted USING (day) ORDER BY day
),
reasons AS (
  SELECT failure_reason AS reason, sum(n)::bigint AS jobs FROM grouped
  WHERE status = 'FAILED' GROUP BY 1 ORDER BY 2 DESC, 1
)
SELECT json_build_object(
  'total', (SELECT row_to_json(total) FROM total),
  'by_task', (SELECT json_agg(tasks) FROM tasks),
  'by_day', (SELECT json_agg(days) FROM days),
  'reasons', (SELECT coalesce(json_agg(reasons), '[]') FROM reasons)
) WHERE EXISTS (SELECT FROM grouped)
"""  # noqa: S608 - constant text
_PERCENTILES = "ARRAY[0.5, 0.95, 0.99]"
_LATENCY = f"""
WITH took AS (
  SELECT task_type,
    greatest(0, extract(epoch FROM started_at - greatest(created_at, run_at)))::float8 AS wait,
    greatest(0, extract(epoch FROM finished_at - started_at))::float8 AS run,
    greatest(0, extract(epoch FROM finished_at - greatest(created_at, run_at)))::float8 AS whole
  {_RECENT} AND status = 'COMPLETED' AND started_at IS NOT NULL
), spread AS (
  SELECT task_type, count(*) AS jobs, grouping(task_type) = 1 AS is_total,
    percentile_cont({_PERCENTILES}) WITHIN GROUP (ORDER BY wait) AS wait,
    percentile_cont({_PERCENTILES}) WITHIN GROUP (ORDER BY run) AS run,
    percentile_cont({_PERCENTILES}) WITHIN GROUP (ORDER BY whole) AS whole
  FROM took GROUP BY GROUPING SETS ((), (task_type))
), times AS (
  SELECT task_type, jobs, is_total, json_build_object(
    'task_type', task_type, 'jobs', jobs,
    'wait_seconds', json_build_object('p50', wait[1], 'p95', wait[2], 'p99', wait[3]),
    'run_seconds', json_build_object('p50', run[1], 'p95', run[2], 'p99', run[3]),
    'end_to_end_seconds', json_build_object('p50', whole[1], 'p95', whole[2], 'p99', whole[3])
  ) AS item FROM spread WHERE jobs > 0
)
SELECT json_build_object(
  'total', (SELECT item FROM times WHERE is_total),
  'by_task', (SELECT json_agg(item ORDER BY jobs DESC, task_type) FROM times WHERE NOT is_total)
) WHERE EXISTS (SELECT FROM times)
"""  # noqa: S608 - constant text
_QUOTA = f"""
WITH present AS ({_PRESENT}), lately AS (
  SELECT greatest(period_start, now() - make_interval(days => {RECENT_WINDOW.days})) AS since
  FROM present
)
SELECT json_build_object(
  'used', jobs_used, 'reserved', jobs_reserved, 'limit', jobs_limit, 'resets_at', period_end,
  'lately_from', since,
  'used_lately', (
    SELECT coalesce(sum(quantity), 0)::bigint FROM api_v1.charges c
    WHERE occurred_at >= since AND kind = 'job_completed' AND c.period_start = present.period_start
  )
) FROM present, lately
"""  # noqa: S608 - constant text
_STATEMENTS: Final[Mapping[Summary, str]] = {
    Summary.USAGE: _USAGE,
    Summary.USAGE_TREND: _USAGE_TREND,
    Summary.USAGE_TREND_BY_TASK: _build_grouped_trend("task_type"),
    Summary.USAGE_TREND_BY_KEY: _build_grouped_trend("api_key_id"),
    Summary.JOBS_OVERVIEW: _JOBS_OVERVIEW,
    Summary.SUCCESS_RATE: _SUCCESS_RATE,
    Summary.LATENCY: _LATENCY,
    Summary.QUOTA: _QUOTA,
}


class PostgresSummaryViews:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, user_id: UUID, summary: Summary, days: int) -> bytes | None:
        values = (days,) if days else ()
        async with self._database.read_as(user_id) as connection:
            text: str | None = await connection.fetchval(_STATEMENTS[summary], *values)
        return None if text is None else text.encode()
