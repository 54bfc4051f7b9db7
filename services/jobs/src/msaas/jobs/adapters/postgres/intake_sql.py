"""The statements of intake, each for a whole batch."""

from typing import Final

from msaas.jobs.adapters.postgres.accounts import COUNTER, SUBJECT
from msaas.jobs.adapters.postgres.rows import CHANGED, SNAPSHOT

_JOB: Final = f"""
  {SNAPSHOT}, created_at, fence, entry_id, reserved, usage_period, cancel_requested_at,
  idempotency_key, idempotency_item, idempotency_fingerprint, deadline_at,
  payload IS NOT NULL AS has_payload, last_retry_id, parent_job_id
"""

LOCK_SUBJECTS: Final = f"""
SELECT {SUBJECT} FROM jobs.subjects WHERE user_id = ANY($1::uuid[])
ORDER BY subject_id FOR NO KEY UPDATE
"""  # noqa: S608  # fixed column names

# Periods do not overlap, so the first that is not over is the current one; those of this month that
# are over count towards the monthly limit of FREE.
FIND_COUNTERS: Final = f"""
SELECT {COUNTER} FROM jobs.usage_counters
WHERE subject_id = ANY($1::uuid[]) AND period_end > date_trunc('month', now(), 'UTC')
ORDER BY period_start
"""  # noqa: S608  # fixed column names

# Every transaction that adds a child locks the same subject, so that none is missed. Parents are
# locked too, since one of them may wait for a job that ends here.
LOCK_JOBS: Final = f"""
WITH RECURSIVE family (id) AS (
  SELECT id FROM jobs.jobs
  WHERE (id, user_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[])) AND deleted_at IS NULL
  UNION
  SELECT child.id FROM family JOIN jobs.jobs child ON child.parent_job_id = family.id
)
SELECT {_JOB} FROM jobs.jobs WHERE id IN (
  SELECT id FROM family
  UNION
  SELECT j.parent_job_id FROM jobs.jobs j WHERE j.id IN (SELECT id FROM family)
) ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608  # fixed column names

FIND_JOBS: Final = f"""
SELECT {_JOB} FROM jobs.jobs WHERE id = ANY($1::uuid[])
UNION ALL
SELECT {_JOB} FROM unnest($2::uuid[], $3::text[], $4::smallint[]) AS k (u, key, item)
JOIN jobs.jobs ON user_id = u AND idempotency_key = key AND idempotency_item = item
"""  # noqa: S608  # fixed column names

OPEN_PERIODS: Final = """
WITH opened AS (
  INSERT INTO jobs.usage_counters
    (id, user_id, subject_id, plan, period_start, period_end, jobs_limit)
  SELECT * FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::timestamptz[],
    $7::bigint[]
  )
  RETURNING subject_id, plan, period_start, period_end
)
UPDATE jobs.subjects s SET
  period_start = o.period_start, period_end = o.period_end, plan = o.plan,
  next_plan = nullif(s.next_plan, o.plan),
  terms = CASE WHEN s.plan = o.plan THEN s.terms ELSE '{}' END
FROM opened o
WHERE s.subject_id = o.subject_id AND s.period_start <> o.period_start
"""

# A rejected job is inserted as a failed one.
INSERT_JOBS: Final = f"""
INSERT INTO jobs.jobs (
  id, user_id, task_type, status, finished_at, failure_reason, last_error, priority, payload,
  max_attempts, run_at, deadline_at, correlation_id, traceparent, idempotency_key,
  idempotency_item, idempotency_fingerprint, source, parent_job_id, billable, usage_period,
  reserved, api_key_id, created_by
)
SELECT
  id, user_id, task_type, CASE WHEN reason IS NULL THEN 'PENDING' ELSE 'FAILED' END,
  CASE WHEN reason IS NOT NULL THEN now() END, reason, error, priority, payload, max_attempts,
  coalesce(run_at, now()), deadline_at, correlation_id, traceparent, key, item, fingerprint, source,
  parent, billable, usage_period, usage_period IS NOT NULL, api_key, user_id
FROM unnest(
  $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::jsonb[],
  $8::smallint[], $9::timestamptz[], $10::timestamptz[], $11::text[], $12::text[], $13::text[],
  $14::smallint[], $15::bytea[], $16::text[], $17::uuid[], $18::boolean[], $19::timestamptz[],
  $20::uuid[]
) AS given (
  id, user_id, task_type, reason, error, priority, payload, max_attempts, run_at, deadline_at,
  correlation_id, traceparent, key, item, fingerprint, source, parent, billable, usage_period,
  api_key
)
ON CONFLICT (id) DO NOTHING
RETURNING {SNAPSHOT}
"""  # noqa: S608  # fixed column names

RESERVE: Final = """
UPDATE jobs.usage_counters c SET jobs_reserved = jobs_reserved + given.change
FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[]) AS given (subject_id, period_start, change)
WHERE c.subject_id = given.subject_id AND c.period_start = given.period_start
"""

CANCEL: Final = f"""
UPDATE jobs.jobs SET
  status = 'CANCELLED', finished_at = now(), reserved = false, failure_reason = 'cancelled',
  cancel_requested_at = coalesce(cancel_requested_at, now()), lease_until = NULL,
  waiting_for = NULL, wake_at = NULL
WHERE id = ANY($1::uuid[]) RETURNING {SNAPSHOT}
"""  # noqa: S608  # fixed column names

RETRY: Final = f"""
UPDATE jobs.jobs j SET
  status = 'PENDING', attempts = 0, losses = 0, releases = 0, run_at = now(), dispatched_at = NULL,
  entry_id = NULL, fence = NULL, started_at = NULL, finished_at = NULL, last_error = NULL,
  failure_reason = NULL, cancel_requested_at = NULL, usage_period = u.period,
  reserved = u.period IS NOT NULL, last_retry_id = u.retry_id
FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[]) AS u (job_id, period, retry_id)
WHERE j.id = u.job_id RETURNING {CHANGED}
"""  # noqa: S608  # fixed column names

EXPIRE: Final = f"""
UPDATE jobs.jobs SET
  status = 'FAILED', finished_at = now(), reserved = false, failure_reason = 'timeout',
  last_error = 'The job''s deadline has passed.', lease_until = NULL, waiting_for = NULL,
  wake_at = NULL
WHERE id = ANY($1::uuid[]) RETURNING {SNAPSHOT}
"""  # noqa: S608  # fixed column names

CANCEL_ATTEMPTS: Final = """
UPDATE jobs.job_attempts a SET outcome = 'cancelled', finished_at = now()
FROM unnest($1::uuid[], $2::uuid[]) AS given (job_id, fence)
WHERE a.job_id = given.job_id AND a.fence = given.fence AND a.outcome IS NULL
"""

REQUEST_STOP: Final = f"""
UPDATE jobs.jobs SET cancel_requested_at = now()
WHERE id = ANY($1::uuid[]) RETURNING {SNAPSHOT}
"""  # noqa: S608  # fixed column names
