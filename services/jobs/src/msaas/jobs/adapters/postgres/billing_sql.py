"""The statements that apply billing events, each once for the whole batch."""

from typing import Final

from msaas.jobs.adapters.postgres.accounts import COUNTER, SUBJECT

LOCK_SUBJECTS: Final = f"""
SELECT {SUBJECT}, last_seq, head FROM jobs.subjects
WHERE user_id = ANY($1::uuid[]) OR subject_id = ANY($2::uuid[])
ORDER BY subject_id FOR NO KEY UPDATE
"""  # noqa: S608  # fixed column names

# The counters of this month and later, and those to correct.
FIND_COUNTERS: Final = f"""
SELECT {COUNTER} FROM jobs.usage_counters
WHERE subject_id = ANY($1::uuid[]) AND period_end > date_trunc('month', now(), 'UTC')
UNION
SELECT {COUNTER} FROM jobs.usage_counters
WHERE (subject_id, period_start) IN (SELECT * FROM unnest($2::uuid[], $3::timestamptz[]))
ORDER BY period_start
"""  # noqa: S608  # fixed column names

FIND_ENTRIES: Final = """
SELECT
  stripe_event_id, subject_id, seq, kind, quantity, period_start, occurred_at, prev_hash, hash
FROM jobs.usage_events WHERE stripe_event_id = ANY($1::text[])
"""

CHANGE_SUBJECTS: Final = """
UPDATE jobs.subjects s SET
  plan = u.plan, plan_version = u.plan_version, next_plan = u.next_plan, terms = u.terms,
  period_start = u.period_start, period_end = u.period_end, paid_until = u.paid_until
FROM unnest(
  $1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::jsonb[], $6::timestamptz[],
  $7::timestamptz[], $8::timestamptz[]
) AS u (
  subject_id, plan, plan_version, next_plan, terms, period_start, period_end, paid_until
)
WHERE s.subject_id = u.subject_id
"""

# Before any period grows or opens: two periods may not overlap at any moment.
CLOSE_PERIODS: Final = """
UPDATE jobs.usage_counters c SET period_end = u.period_end
FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[])
  AS u (subject_id, period_start, period_end)
WHERE c.subject_id = u.subject_id AND c.period_start = u.period_start
  AND c.period_end > u.period_end
"""

OPEN_PERIODS: Final = """
INSERT INTO jobs.usage_counters
  (id, user_id, subject_id, plan, period_start, period_end, jobs_limit)
SELECT * FROM unnest(
  $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::timestamptz[],
  $7::bigint[]
)
ON CONFLICT (subject_id, period_start) DO UPDATE SET
  plan = excluded.plan, period_end = excluded.period_end, jobs_limit = excluded.jobs_limit
"""

CORRECT_COUNTERS: Final = """
UPDATE jobs.usage_counters c
SET jobs_used = jobs_used + u.quantity, last_reconciled_at = clock_timestamp()
FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[]) AS u (subject_id, period_start, quantity)
WHERE c.subject_id = u.subject_id AND c.period_start = u.period_start
"""

INSERT_ENTRIES: Final = """
INSERT INTO jobs.usage_events (
  subject_id, seq, user_id, kind, quantity, period_start, stripe_event_id, occurred_at, prev_hash,
  hash, details
)
SELECT * FROM unnest(
  $1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::bigint[], $6::timestamptz[], $7::text[],
  $8::timestamptz[], $9::bytea[], $10::bytea[], $11::jsonb[]
) AS u (
  subject_id, seq, user_id, kind, quantity, period_start, key, occurred_at, prev_hash, hash, details
)
ORDER BY subject_id, seq
"""

FIND_ACCOUNTS: Final = """
SELECT
  s.subject_id, s.user_id, s.version, s.plan, s.period_start, s.period_end, c.jobs_limit,
  c.jobs_used, c.jobs_reserved
FROM jobs.subjects s JOIN jobs.usage_counters c USING (subject_id, period_start)
WHERE s.subject_id = ANY($1::uuid[]) AND s.user_id IS NOT NULL
"""
