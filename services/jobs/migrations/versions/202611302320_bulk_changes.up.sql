SET LOCAL ROLE msaas_owner;

CREATE TABLE jobs.bulk_changes (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES identity.users ON DELETE CASCADE,
  action text NOT NULL,
  job_ids uuid[] NOT NULL,
  changed_job_ids uuid[] NOT NULL DEFAULT '{}',
  total integer NOT NULL,
  done integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  touched_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  CONSTRAINT bulk_changes_action_known CHECK (action IN ('cancel', 'retry')),
  CONSTRAINT bulk_changes_done_count CHECK (done BETWEEN 0 AND total)
);

CREATE INDEX bulk_changes_by_user ON jobs.bulk_changes (user_id);

CREATE INDEX bulk_changes_unfinished ON jobs.bulk_changes (touched_at) WHERE finished_at IS NULL;

CREATE INDEX bulk_changes_finished ON jobs.bulk_changes (finished_at, id)
  WHERE finished_at IS NOT NULL;

ALTER TABLE jobs.bulk_changes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY service ON jobs.bulk_changes TO svc_jobs USING (true) WITH CHECK (true);

CREATE POLICY backfill ON jobs.bulk_changes TO msaas_backfill USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON jobs.bulk_changes TO svc_jobs;

GRANT SELECT, UPDATE ON jobs.bulk_changes TO msaas_backfill;

CREATE VIEW api_v1.bulk_changes WITH (security_invoker = true) AS
  SELECT id, action, changed_job_ids, total, done, created_at, finished_at FROM jobs.bulk_changes;

GRANT SELECT ON api_v1.bulk_changes TO authenticated;

GRANT SELECT (id, user_id, action, changed_job_ids, total, done, created_at, finished_at)
  ON jobs.bulk_changes TO authenticated;

RESET ROLE;

-- Made by the login: the owner of the tables may have no sight of Supabase's schema auth.
CREATE POLICY own_rows ON jobs.bulk_changes FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));
