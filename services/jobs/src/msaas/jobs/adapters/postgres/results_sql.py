"""The statements that persist a batch of results, each once for the whole batch."""

from typing import Final

from msaas.jobs.adapters.postgres.rows import CHANGED, SNAPSHOT

# Only of users whose job may end: appending to a chain requires the lock of its head. A start may
# end the job of a task that runs once: it may be that of a run which counts as lost.
LOCK_SUBJECTS: Final = """
SELECT subject_id, user_id, plan, period_start, last_seq, head FROM jobs.subjects
WHERE user_id IN (
  SELECT user_id FROM jobs.jobs
  WHERE id = ANY($1::uuid[]) OR id = ANY($2::uuid[]) AND task_type = ANY($3::text[])
)
ORDER BY subject_id FOR NO KEY UPDATE
"""

# With the parents that may wait for a job that may end.
LOCK_JOBS: Final = f"""
SELECT
  {SNAPSHOT}, max_attempts, losses, releases, run_at, deadline_at, created_at, dispatched_at,
  entry_id, fence, lease_until, started_at, finished_at, cancel_requested_at, failure_reason,
  billable, usage_period, reserved, waiting_for, wake_at, parent_job_id
FROM jobs.jobs WHERE id = ANY($1::uuid[] || ARRAY(
  SELECT (SELECT p.id FROM jobs.jobs p WHERE p.id = c.parent_job_id AND p.waiting_for IS NOT NULL)
  FROM jobs.jobs c
  WHERE c.id = ANY($2::uuid[]) OR c.id = ANY($3::uuid[]) AND c.task_type = ANY($4::text[])
)) ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608  # fixed column names

FIND_EARLIER_PLANS: Final = """
SELECT user_id, period_start, plan FROM jobs.usage_counters
WHERE (user_id, period_start) IN (SELECT * FROM unnest($1::uuid[], $2::timestamptz[]))
"""

FIND_RUNS: Final = """
SELECT job_id, fence, worker, started_at, finished_at, outcome, reason, error
FROM jobs.job_attempts WHERE job_id = ANY($1::uuid[])
"""

# Guarded on finished_at alone: with the status in the condition the planner would scan an index on
# it.
UPDATE_STATES: Final = f"""
UPDATE jobs.jobs j SET
  status = u.status, attempts = u.attempts, losses = u.losses, run_at = u.run_at,
  dispatched_at = u.dispatched_at, entry_id = u.entry_id, fence = u.fence,
  lease_until = u.lease_until, started_at = u.started_at, finished_at = u.finished_at,
  progress = coalesce(u.progress, CASE WHEN u.waiting_for IS NOT NULL THEN j.progress END),
  waiting_for = u.waiting_for::uuid[], wake_at = u.wake_at,
  last_error = u.last_error, failure_reason = u.failure_reason,
  reserved = u.reserved, result = u.result, result_ref = u.result_ref,
  decided_by_fence = u.decided_by_fence, releases = u.releases
FROM unnest(
  $1::uuid[], $2::text[], $3::smallint[], $4::smallint[], $5::timestamptz[], $6::timestamptz[],
  $7::text[], $8::uuid[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[],
  $12::jsonb[], $13::text[], $14::text[], $15::boolean[], $16::jsonb[], $17::text[],
  $18::text[], $19::timestamptz[], $20::uuid[], $21::smallint[]
) AS u (
  job_id, status, attempts, losses, run_at, dispatched_at, entry_id, fence, lease_until,
  started_at, finished_at, progress, last_error, failure_reason, reserved, result, result_ref,
  waiting_for, wake_at, decided_by_fence, releases
)
WHERE j.id = u.job_id AND j.finished_at IS NULL
RETURNING {CHANGED}
"""  # noqa: S608  # fixed column names

# Touches no column of any index.
RENEW_LEASES: Final = f"""
UPDATE jobs.jobs j SET
  lease_until = u.lease_until, progress = coalesce(u.progress, j.progress)
FROM unnest($1::uuid[], $2::timestamptz[], $3::jsonb[]) AS u (job_id, lease_until, progress)
WHERE j.id = u.job_id AND j.finished_at IS NULL
RETURNING {CHANGED}
"""  # noqa: S608  # fixed column names

UPDATE_RUNS: Final = """
UPDATE jobs.job_attempts a SET
  worker = u.worker, started_at = u.started_at, finished_at = u.finished_at,
  outcome = u.outcome, reason = u.reason, error = u.error,
  timings_ms = coalesce(u.timings_ms, a.timings_ms), network = coalesce(u.network, a.network)
FROM unnest(
  $1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[],
  $7::text[], $8::text[], $9::jsonb[], $10::jsonb[]
) AS u (job_id, fence, worker, started_at, finished_at, outcome, reason, error, timings_ms, network)
WHERE a.job_id = u.job_id AND a.fence = u.fence
"""

INSERT_CHARGES: Final = """
INSERT INTO jobs.usage_events (
  subject_id, seq, user_id, kind, quantity, job_id, period_start, occurred_at, prev_hash, hash,
  details
)
SELECT
  subject_id, seq, user_id, 'job_completed', quantity, job_id, period_start, occurred_at,
  prev_hash, hash, jsonb_build_object('plan', plan)
FROM unnest(
  $1::uuid[], $2::bigint[], $3::uuid[], $4::bigint[], $5::uuid[], $6::timestamptz[],
  $7::timestamptz[], $8::bytea[], $9::bytea[], $10::text[]
) AS u (
  subject_id, seq, user_id, quantity, job_id, period_start, occurred_at, prev_hash, hash, plan
)
ORDER BY subject_id, seq
"""

SETTLE_COUNTERS: Final = """
WITH given AS (
  SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::bigint[])
    AS u (user_id, period_start, used, released)
),
locked AS MATERIALIZED (
  SELECT c.id, given.used, given.released
  FROM given JOIN jobs.usage_counters c USING (user_id, period_start)
  ORDER BY c.id FOR NO KEY UPDATE OF c
)
UPDATE jobs.usage_counters c
SET jobs_used = jobs_used + locked.used, jobs_reserved = jobs_reserved - locked.released
FROM locked WHERE c.id = locked.id
"""

FIND_CHARGES: Final = """
SELECT subject_id, seq, user_id, quantity, job_id, period_start, occurred_at, prev_hash, hash,
  details ->> 'plan' AS plan
FROM jobs.usage_events WHERE job_id = ANY($1::uuid[]) AND kind = 'job_completed'
"""
