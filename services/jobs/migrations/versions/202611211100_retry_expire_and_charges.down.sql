DROP POLICY own_rows ON jobs.usage_events;

DROP VIEW api_v1.charges;

REVOKE SELECT (seq, kind, quantity, job_id, period_start, occurred_at)
  ON jobs.usage_events FROM authenticated;

ALTER TABLE jobs.jobs DROP COLUMN last_retry;
