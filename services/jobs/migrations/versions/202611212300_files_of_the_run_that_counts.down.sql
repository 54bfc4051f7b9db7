REVOKE SELECT (decided_by) ON jobs.jobs FROM authenticated;

-- A view loses no column by being replaced.
DROP VIEW api_v1.jobs;

CREATE VIEW api_v1.jobs WITH (security_invoker = true) AS
  SELECT
    id, task_type, status, priority, payload, result, result_ref, attempts, max_attempts, losses,
    run_at, deadline_at, started_at, finished_at, cancel_requested_at, progress, last_error,
    failure_reason, correlation_id, source, parent_job_id, schedule_id, billable, created_at,
    updated_at, version
  FROM jobs.jobs;

ALTER VIEW api_v1.jobs OWNER TO msaas_owner;

GRANT SELECT ON api_v1.jobs TO authenticated;

ALTER TABLE jobs.jobs DROP COLUMN decided_by;
