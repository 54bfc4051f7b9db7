DROP POLICY own_slots ON jobs.subjects;

REVOKE SELECT (plan, overrides) ON jobs.subjects FROM authenticated;

REVOKE SELECT (waited_ms, waited_for) ON jobs.job_attempts FROM authenticated;

REVOKE SELECT (dispatched_at, waiting_for) ON jobs.jobs FROM authenticated;

REVOKE SELECT (
  task_type, waiting, running, median_wait_ms, median_run_ms, is_full, measured_at
) ON jobs.queue_stats FROM authenticated;

DROP VIEW api_v1.slots, api_v1.queue, api_v1.queue_stats, api_v1.pauses;

-- A view loses no column by being replaced.
DROP VIEW api_v1.job_attempts;

CREATE VIEW api_v1.job_attempts WITH (security_invoker = true) AS
  SELECT
    job_id, attempt, dispatched_at, started_at, finished_at, outcome, reason, error, timings_ms
  FROM jobs.job_attempts;

ALTER VIEW api_v1.job_attempts OWNER TO msaas_owner;

GRANT SELECT ON api_v1.job_attempts TO authenticated;

DROP POLICY readers ON jobs.queue_stats;

DROP TABLE jobs.pauses;

ALTER TABLE jobs.queue_stats DROP COLUMN is_full;

ALTER TABLE jobs.job_attempts DROP CONSTRAINT job_attempts_wait_known;

ALTER TABLE jobs.job_attempts DROP COLUMN waited_ms, DROP COLUMN waited_for;
