SET LOCAL ROLE msaas_owner;

ALTER TABLE jobs.job_attempts
  ADD COLUMN waited_ms bigint,
  ADD COLUMN waited_for text,
  ADD CONSTRAINT job_attempts_wait_known CHECK (
    waited_for IN ('plan_concurrency', 'topic_window', 'scheduled', 'paused')
  ) NOT VALID;

ALTER TABLE jobs.queue_stats ADD COLUMN is_full boolean NOT NULL DEFAULT false;

CREATE TABLE jobs.pauses (
  task_type text NOT NULL,
  reason text NOT NULL,
  note text,
  since timestamptz NOT NULL DEFAULT now(),
  until timestamptz,
  PRIMARY KEY (task_type, reason),
  CONSTRAINT pauses_reason_known CHECK (reason IN ('flag', 'circuit'))
);

ALTER TABLE jobs.pauses ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY keeper ON jobs.pauses TO svc_jobs USING (true) WITH CHECK (true);

CREATE POLICY backfill ON jobs.pauses TO msaas_backfill USING (true) WITH CHECK (true);

-- What is said of the fleet is for everybody who is signed in.
CREATE POLICY readers ON jobs.pauses FOR SELECT TO authenticated USING (true);

CREATE POLICY readers ON jobs.queue_stats FOR SELECT TO authenticated USING (true);

CREATE VIEW api_v1.pauses WITH (security_invoker = true) AS
  SELECT task_type, reason, since, until FROM jobs.pauses WHERE until IS NULL OR until > now();

CREATE VIEW api_v1.queue_stats WITH (security_invoker = true) AS
  SELECT task_type, waiting, running, median_wait_ms, median_run_ms, is_full, measured_at
  FROM jobs.queue_stats;

-- A user's own queue: what is due in the order in which it is picked, then what is not due yet.
CREATE VIEW api_v1.queue WITH (security_invoker = true) AS
  SELECT id, task_type, run_at, row_number() OVER (
    ORDER BY greatest(run_at, now()), status DESC, priority, run_at, id
  ) AS position
  FROM jobs.jobs
  WHERE finished_at IS NULL AND dispatched_at IS NULL AND waiting_for IS NULL;

CREATE VIEW api_v1.slots WITH (security_invoker = true) AS
  SELECT plan, (overrides ->> 'slots')::int AS slots, (
    SELECT count(*) FROM jobs.jobs WHERE finished_at IS NULL AND dispatched_at IS NOT NULL
  ) AS held
  FROM jobs.subjects;

CREATE OR REPLACE VIEW api_v1.job_attempts WITH (security_invoker = true) AS
  SELECT
    job_id, attempt, dispatched_at, started_at, finished_at, outcome, reason, error, timings_ms,
    waited_ms, waited_for
  FROM jobs.job_attempts;

GRANT SELECT ON api_v1.pauses, api_v1.queue_stats, api_v1.queue, api_v1.slots TO authenticated;

GRANT SELECT (task_type, reason, since, until) ON jobs.pauses TO authenticated;

GRANT SELECT (
  task_type, waiting, running, median_wait_ms, median_run_ms, is_full, measured_at
) ON jobs.queue_stats TO authenticated;

GRANT SELECT (dispatched_at, waiting_for) ON jobs.jobs TO authenticated;

GRANT SELECT (waited_ms, waited_for) ON jobs.job_attempts TO authenticated;

GRANT SELECT (plan, overrides) ON jobs.subjects TO authenticated;

GRANT SELECT, INSERT, UPDATE ON jobs.pauses TO svc_jobs;

GRANT SELECT, UPDATE ON jobs.pauses TO msaas_backfill;

RESET ROLE;

-- Made by the login: the owner of the tables may have no sight of Supabase's schema auth.
CREATE POLICY own_slots ON jobs.subjects FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));
