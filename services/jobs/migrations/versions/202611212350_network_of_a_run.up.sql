ALTER TABLE jobs.job_attempts ADD COLUMN network jsonb;

CREATE OR REPLACE VIEW api_v1.job_attempts WITH (security_invoker = true) AS
  SELECT
    job_id, attempt, dispatched_at, started_at, finished_at, outcome, reason, error, timings_ms,
    waited_ms, waited_for, network
  FROM jobs.job_attempts;

GRANT SELECT (network) ON jobs.job_attempts TO authenticated;
