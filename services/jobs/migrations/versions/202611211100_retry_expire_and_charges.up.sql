SET LOCAL ROLE msaas_owner;

-- Which command began it anew, so that the same command does so once.
ALTER TABLE jobs.jobs ADD COLUMN last_retry uuid;

CREATE VIEW api_v1.charges WITH (security_invoker = true) AS
  SELECT seq, kind, quantity, job_id, period_start, occurred_at FROM jobs.usage_events;

GRANT SELECT ON api_v1.charges TO authenticated;

GRANT SELECT (seq, kind, quantity, job_id, period_start, occurred_at)
  ON jobs.usage_events TO authenticated;

RESET ROLE;

-- Made by the login: the owner of the tables may have no sight of Supabase's schema auth.
CREATE POLICY own_rows ON jobs.usage_events FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));
