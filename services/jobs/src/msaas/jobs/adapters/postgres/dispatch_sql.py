"""The statements of dispatch: who waits, who is next, and where the envelope went."""

from typing import Final

# Steps from user to user through the index: what it costs depends on users, not on jobs.
WAITING_USERS: Final = """
WITH RECURSIVE waiting (user_id) AS (
  (
    SELECT user_id FROM jobs.jobs
    WHERE status = 'PENDING' AND dispatched_at IS NULL AND user_id > $1
    ORDER BY user_id LIMIT 1
  )
  UNION ALL
  SELECT (
    SELECT j.user_id FROM jobs.jobs j
    WHERE j.status = 'PENDING' AND j.dispatched_at IS NULL AND j.user_id > w.user_id
    ORDER BY j.user_id LIMIT 1
  )
  FROM waiting w WHERE w.user_id IS NOT NULL
),
page AS (SELECT user_id FROM waiting WHERE user_id IS NOT NULL LIMIT $2)
SELECT
  page.user_id, (s.overrides ->> 'slots')::int AS slots, s.erasing_at IS NOT NULL AS erasing,
  CASE WHEN now() < greatest(s.period_end, s.paid_until) THEN s.plan
    ELSE coalesce(s.next_plan, s.plan) END AS plan
FROM page LEFT JOIN jobs.subjects s USING (user_id)
ORDER BY page.user_id
"""

# A slot is a row: dispatched, and neither finished nor waiting. Counted, so that it cannot drift.
SLOTS: Final = """
SELECT user_id, task_type, count(*) AS held, count(*) FILTER (WHERE status = 'PENDING') AS unread
FROM jobs.jobs
WHERE finished_at IS NULL AND dispatched_at IS NOT NULL AND fence IS NOT NULL
GROUP BY GROUPING SETS ((user_id), (task_type))
"""

PICK: Final = """
WITH
kinds AS (SELECT * FROM unnest($1::text[], $2::text[], $3::int[]) AS k (task_type, topic, room)),
due AS MATERIALIZED (
  SELECT t.*, j.*
  FROM unnest($4::uuid[], $5::text[], $6::int[], $7::int[], $8::int[])
    AS t (user_id, plan, held, free, weight)
  CROSS JOIN LATERAL (
    SELECT id, task_type, priority, run_at
    FROM jobs.jobs
    WHERE user_id = t.user_id AND status = 'PENDING' AND dispatched_at IS NULL
      AND run_at <= now()
    ORDER BY priority, run_at, id
    LIMIT least(t.free, $9::int) + $10::int
  ) AS j
),
next_of_each AS (
  SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY priority, run_at, id) AS nth
  FROM due JOIN kinds USING (task_type)
),
in_turn AS (
  SELECT *, row_number() OVER (PARTITION BY topic ORDER BY turn, run_at, id) AS place
  FROM (SELECT *, (held + nth)::float8 / weight AS turn FROM next_of_each WHERE nth <= free) AS n
),
chosen AS (
  SELECT id, plan FROM in_turn WHERE place <= room ORDER BY turn, run_at, id LIMIT $9
),
picked AS MATERIALIZED (
  SELECT locked.id, plan FROM chosen
  CROSS JOIN LATERAL (
    SELECT j.id FROM jobs.jobs j
    WHERE j.id = chosen.id AND j.status = 'PENDING' AND j.dispatched_at IS NULL
    FOR NO KEY UPDATE SKIP LOCKED
  ) AS locked
),
dispatched AS (
  UPDATE jobs.jobs j
  SET dispatched_at = now(), fence = gen_random_uuid(), entry_id = NULL
  FROM picked WHERE j.id = picked.id
  RETURNING j.*, picked.plan
),
attempts AS (
  INSERT INTO jobs.job_attempts (job_id, fence, attempt, dispatched_at)
  SELECT id, fence, attempts, dispatched_at FROM dispatched
)
SELECT
  id, user_id, task_type, attempts, max_attempts, fence, payload, correlation_id, traceparent,
  source, plan, created_at, run_at, dispatched_at, deadline_at, parent_job_id
FROM dispatched
"""

RECORD_ENTRIES: Final = """
WITH given AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS g (id, fence, entry_id)),
standing AS MATERIALIZED (
  SELECT j.id, given.entry_id FROM given JOIN jobs.jobs j USING (id)
  WHERE j.fence = given.fence AND j.finished_at IS NULL
  ORDER BY j.id FOR NO KEY UPDATE OF j
)
UPDATE jobs.jobs j SET entry_id = standing.entry_id
FROM standing WHERE j.id = standing.id RETURNING j.id
"""
