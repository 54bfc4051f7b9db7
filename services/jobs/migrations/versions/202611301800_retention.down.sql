-- A chain whose beginning was rolled up cannot be verified without its checkpoints.
DO $$
BEGIN
  IF EXISTS (SELECT FROM jobs.usage_checkpoints) THEN
    RAISE EXCEPTION 'usage was rolled up: its checkpoints cannot be dropped';
  END IF;
END $$;

SET LOCAL ROLE msaas_owner;

REVOKE DELETE ON jobs.usage_events FROM svc_jobs;

CREATE OR REPLACE FUNCTION jobs.keep_usage_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    OLD.user_id := NULL; -- all that erasure may change
    IF NEW IS NOT DISTINCT FROM OLD THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE restrict_violation USING MESSAGE = 'usage events are append-only';
END $$;

DROP FUNCTION jobs.roll_up_usage;

-- squawk-ignore ban-drop-table
DROP TABLE jobs.usage_checkpoints;

DROP FUNCTION jobs.check_usage_checkpoint;

DROP VIEW api_v1.jobs;

CREATE VIEW api_v1.jobs WITH (security_invoker = true) AS
  SELECT
    id, task_type, status, priority, payload, result, result_ref, attempts, max_attempts, losses,
    run_at, deadline_at, started_at, finished_at, cancel_requested_at, progress, last_error,
    failure_reason, correlation_id, source, parent_job_id, schedule_id, billable, created_at,
    updated_at, version, decided_by_fence AS decided_by
  FROM jobs.jobs;

GRANT SELECT ON api_v1.jobs TO authenticated;

-- squawk-ignore ban-drop-column
ALTER TABLE jobs.jobs DROP COLUMN content_removed_at, DROP COLUMN artifacts_removed_at;

RESET ROLE;
