-- A view loses no column by being replaced.
DROP VIEW api_v1.job_attempts;

ALTER TABLE jobs.job_attempts DROP COLUMN network;

CREATE VIEW api_v1.job_attempts WITH (security_invoker = true) AS
  SELECT
    job_id, attempt, dispatched_at, started_at, finished_at, outcome, reason, error, timings_ms,
    waited_ms, waited_for
  FROM jobs.job_attempts;

ALTER VIEW api_v1.job_attempts OWNER TO msaas_owner;

GRANT SELECT ON api_v1.job_attempts TO authenticated;
