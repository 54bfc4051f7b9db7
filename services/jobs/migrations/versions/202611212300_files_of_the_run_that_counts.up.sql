SET LOCAL ROLE msaas_owner;

-- The run whose report ended the job. It names the folder of its files, and has nothing more to say.
ALTER TABLE jobs.jobs ADD COLUMN decided_by uuid;

CREATE OR REPLACE VIEW api_v1.jobs WITH (security_invoker = true) AS
  SELECT
    id, task_type, status, priority, payload, result, result_ref, attempts, max_attempts, losses,
    run_at, deadline_at, started_at, finished_at, cancel_requested_at, progress, last_error,
    failure_reason, correlation_id, source, parent_job_id, schedule_id, billable, created_at,
    updated_at, version, decided_by
  FROM jobs.jobs;

GRANT SELECT (decided_by) ON jobs.jobs TO authenticated;

RESET ROLE;
