"""The statements of dispatch: the users with due jobs, the fair pick, and the entry ids."""

from typing import Final

# New and woken jobs that wait for dispatch. The condition is that of the index.
_DUE: Final = "finished_at IS NULL AND dispatched_at IS NULL AND waiting_for IS NULL"

# Steps from user to user through the index: the cost depends on users, not on jobs. The order names
# more columns than are needed, so that the planner uses no other index.
WAITING_USERS: Final = f"""
WITH RECURSIVE waiting (user_id) AS (
  (
    SELECT user_id FROM jobs.jobs
    WHERE {_DUE} AND user_id > $1
    ORDER BY user_id, task_type LIMIT 1
  )
  UNION ALL
  SELECT (
    SELECT j.user_id FROM jobs.jobs j
    WHERE {_DUE} AND j.user_id > w.user_id
    ORDER BY j.user_id, j.task_type LIMIT 1
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
"""  # noqa: S608  # fixed text

# A slot is a row that is dispatched and neither finished nor waiting. Counted, so it cannot drift.
USED_SLOTS: Final = """
SELECT
  user_id, task_type, count(*) AS used, count(*) FILTER (WHERE lease_until IS NULL) AS unread
FROM jobs.jobs
WHERE finished_at IS NULL AND dispatched_at IS NOT NULL AND fence IS NOT NULL
GROUP BY GROUPING SETS ((user_id), (task_type))
"""

# The entry of an envelope is written with the pick, before it is added to the topic.
# Each user's next jobs of each task type that may run now, by one step into the index: a type that
# is paused or has no capacity costs nothing, however many jobs wait. Woken jobs go first.
PICK: Final = f"""
WITH
task_types AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::int[]) AS k (task_type, topic, capacity)
),
shares AS (
  SELECT * FROM unnest($4::uuid[], $5::text[], $6::int[], $7::int[], $8::int[], $9::boolean[])
    AS s (user_id, plan, used, free, weight, was_full)
),
due AS MATERIALIZED (
  SELECT s.*, k.topic, k.capacity, j.*
  FROM shares s CROSS JOIN task_types k CROSS JOIN LATERAL (
    SELECT id, status, priority, run_at
    FROM jobs.jobs
    WHERE user_id = s.user_id AND task_type = k.task_type AND {_DUE} AND run_at <= now()
    ORDER BY status DESC, priority, run_at, id
    LIMIT least(s.free, $10::int)
  ) AS j
),
next_of_each AS (
  SELECT *, row_number() OVER (
    PARTITION BY user_id ORDER BY status DESC, priority, run_at, id
  ) AS nth
  FROM due
),
ranked AS (
  SELECT *, row_number() OVER (PARTITION BY topic ORDER BY rank, run_at, id) AS position
  FROM (SELECT *, (used + nth)::float8 / weight AS rank FROM next_of_each WHERE nth <= free) AS n
),
chosen AS (
  SELECT id, plan, free, was_full, row_number() OVER (ORDER BY rank, run_at, id) AS turn
  FROM ranked WHERE position <= capacity
  ORDER BY rank, run_at, id LIMIT $10
),
picked AS MATERIALIZED (
  SELECT locked.id, plan, free, was_full, turn FROM chosen
  CROSS JOIN LATERAL (
    SELECT j.id FROM jobs.jobs j WHERE j.id = chosen.id AND {_DUE}
    FOR NO KEY UPDATE SKIP LOCKED
  ) AS locked
),
dispatched AS (
  UPDATE jobs.jobs j
  SET dispatched_at = now(), fence = gen_random_uuid(),
    entry_id = $12::text || ($13::bigint + picked.turn)
  FROM picked WHERE j.id = picked.id
  RETURNING j.*, picked.plan, picked.was_full, picked.free, picked.turn
),
waited AS (
  SELECT d.*, due_at, waits, now() - due_at AS wait,
    was_full OR count(*) OVER (PARTITION BY user_id) >= free AS is_full
  FROM dispatched d CROSS JOIN LATERAL (
    SELECT greatest(d.run_at, d.wake_at, max(a.finished_at)),
      count(*) FILTER (WHERE a.outcome = 'waiting')
    FROM jobs.job_attempts a WHERE a.job_id = d.id
  ) AS since (due_at, waits)
),
attempts AS (
  INSERT INTO jobs.job_attempts (job_id, fence, attempt, dispatched_at, waited_ms, waited_for)
  SELECT id, fence, attempts, dispatched_at, extract(epoch FROM wait) * 1000, CASE
    WHEN wait < $11::interval THEN CASE
      WHEN attempts = 0 AND due_at = run_at AND run_at >= created_at + $11 THEN 'scheduled'
    END
    WHEN EXISTS (
      SELECT FROM jobs.pauses p
      WHERE p.task_type = w.task_type AND p.until - greatest(p.since, due_at) >= $11
    ) THEN 'paused'
    WHEN is_full THEN 'plan_concurrency'
    ELSE 'topic_window'
  END
  FROM waited w
)
SELECT
  id, user_id, task_type, attempts, max_attempts, fence, payload, correlation_id, traceparent,
  source, plan, created_at, run_at, dispatched_at, deadline_at, parent_job_id,
  entry_id, turn, last_retry_id, waits
FROM waited
"""  # noqa: S608  # fixed text

RECORD_ENTRIES: Final = """
WITH given AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS g (id, fence, entry_id)),
valid AS MATERIALIZED (
  SELECT j.id, given.entry_id FROM given JOIN jobs.jobs j USING (id)
  WHERE j.fence = given.fence AND j.finished_at IS NULL
  ORDER BY j.id FOR NO KEY UPDATE OF j
)
UPDATE jobs.jobs j SET entry_id = valid.entry_id
FROM valid WHERE j.id = valid.id RETURNING j.id
"""
