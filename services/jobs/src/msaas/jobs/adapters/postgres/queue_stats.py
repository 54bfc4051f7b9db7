"""Figures of the queue by task type, which reveal nothing of any user."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from asyncpg import Record

from msaas.jobs.adapters.postgres.rows import TOPIC_OF
from msaas.jobs.application.measure_queue import QueueMeasurement
from msaas.jobs.domain.fairness import find_topic_capacity
from msaas.postgres import Database

ADVISORY_LOCK: Final = 0x6D73_6A6F_6273_7173
"""One measurement at a time for all processes; the number is this service's own."""

SAMPLE_SIZE: Final = 500

IS_RECENT: Final = """
SELECT EXISTS (SELECT FROM jobs.queue_stats WHERE measured_at > clock_timestamp() - $1::interval)
"""

# The medians are of the newest runs; if there are none, the last known medians stay.
MEASURE: Final = """
WITH waiting AS (
  SELECT task_type, count(*) AS waiting FROM jobs.jobs
  WHERE finished_at IS NULL AND dispatched_at IS NULL AND waiting_for IS NULL AND run_at <= now()
  GROUP BY task_type
),
dispatched AS (
  SELECT task_type, count(lease_until) AS running, count(*) - count(lease_until) AS unread
  FROM jobs.jobs
  WHERE finished_at IS NULL AND dispatched_at IS NOT NULL AND fence IS NOT NULL
  GROUP BY task_type
),
recent AS (
  SELECT j.task_type, a.waited_ms, a.outcome,
    extract(epoch FROM a.finished_at - a.started_at) * 1000 AS run_ms
  FROM (
    SELECT * FROM jobs.job_attempts
    WHERE dispatched_at > now() - interval '15 min' ORDER BY dispatched_at DESC LIMIT $2
  ) AS a
  JOIN jobs.jobs j ON j.id = a.job_id
),
medians AS (
  SELECT task_type,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY waited_ms) AS median_wait,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY run_ms) FILTER (WHERE outcome = 'succeeded')
      AS median_run
  FROM recent GROUP BY task_type
)
SELECT task_type, coalesce(waiting, 0) AS waiting, coalesce(running, 0) AS running,
  coalesce(unread, 0) AS unread, median_wait::bigint, median_run::bigint
FROM unnest($1::text[]) AS task_types (task_type)
LEFT JOIN waiting USING (task_type) LEFT JOIN dispatched USING (task_type)
LEFT JOIN medians USING (task_type)
"""

UPSERT: Final = """
INSERT INTO jobs.queue_stats AS q
  (task_type, waiting, running, median_wait_ms, median_run_ms, is_full, measured_at)
SELECT *, clock_timestamp()
FROM unnest($1::text[], $2::int[], $3::int[], $4::bigint[], $5::bigint[], $6::boolean[])
ON CONFLICT (task_type) DO UPDATE SET
  waiting = excluded.waiting, running = excluded.running, is_full = excluded.is_full,
  median_wait_ms = coalesce(excluded.median_wait_ms, q.median_wait_ms),
  median_run_ms = coalesce(excluded.median_run_ms, q.median_run_ms),
  measured_at = excluded.measured_at
"""


class PostgresQueueStats:
    """`window` is that of dispatch: it decides when a topic is full."""

    def __init__(self, database: Database, *, window: int) -> None:
        self._database = database
        self._window = window

    async def measure(self, interval: timedelta) -> Sequence[QueueMeasurement] | None:
        """Return None if another process measures now or has just done so."""
        async with self._database.transaction() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", ADVISORY_LOCK):
                return None
            if await connection.fetchval(IS_RECENT, interval):
                return None
            rows = await connection.fetch(MEASURE, list(TOPIC_OF), SAMPLE_SIZE)
            unread = {row["task_type"]: row["unread"] for row in rows}
            capacity = find_topic_capacity(TOPIC_OF, unread, self._window)
            measured = [
                _read(row, is_full=capacity[TOPIC_OF[row["task_type"]]] <= 0) for row in rows
            ]
            await connection.execute(UPSERT, *zip(*measured, strict=True))
        return measured


def _read(row: Record, *, is_full: bool) -> QueueMeasurement:
    return QueueMeasurement(
        task_type=row["task_type"],
        waiting=row["waiting"],
        running=row["running"],
        median_wait_ms=row["median_wait"],
        median_run_ms=row["median_run"],
        is_full=is_full,
    )
