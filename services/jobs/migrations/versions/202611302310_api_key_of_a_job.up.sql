SET LOCAL ROLE msaas_owner;

ALTER TABLE jobs.jobs ADD COLUMN api_key_id uuid;

CREATE OR REPLACE VIEW api_v1.jobs WITH (security_invoker = true) AS
  SELECT
    id, task_type, status, priority, payload, result, result_ref, attempts, max_attempts, losses,
    run_at, deadline_at, started_at, finished_at, cancel_requested_at, progress, last_error,
    failure_reason, correlation_id, source, parent_job_id, schedule_id, billable, created_at,
    updated_at, version, decided_by_fence AS decided_by, content_removed_at, api_key_id
  FROM jobs.jobs;

GRANT SELECT (api_key_id) ON jobs.jobs TO authenticated;

RESET ROLE;
