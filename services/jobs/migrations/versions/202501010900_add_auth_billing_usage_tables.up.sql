-- The stamp is longer than what Alembic makes room for; the table is new and empty.
-- squawk-ignore changing-column-type
ALTER TABLE jobs.alembic_version ALTER COLUMN version_num TYPE text;

-- A role may be in the making for another database of the server: nobody queues behind that wait.
SET LOCAL lock_timeout = '1min';

-- Users are referred to, so their table comes first; the login's password comes from whoever deploys.
DO $$
BEGIN
  IF to_regclass('identity.users') IS NULL OR to_regnamespace('api_v1') IS NULL THEN
    RAISE EXCEPTION 'schema identity is missing: migrate the gateway first';
  END IF;
  IF to_regrole('svc_jobs') IS NULL THEN
    CREATE ROLE svc_jobs LOGIN NOINHERIT;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL; -- the other one has made it
END $$;

SET LOCAL lock_timeout = '2s';

CREATE EXTENSION IF NOT EXISTS btree_gist;

ALTER SCHEMA jobs OWNER TO msaas_owner;

SET LOCAL ROLE msaas_owner;

CREATE FUNCTION jobs.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := greatest(OLD.updated_at + interval '1 microsecond', clock_timestamp());
  NEW.version := OLD.version + 1;
  RETURN NEW;
END $$;

CREATE TABLE jobs.subjects (
  subject_id uuid PRIMARY KEY,
  user_id uuid UNIQUE REFERENCES identity.users ON DELETE SET NULL,
  plan text NOT NULL DEFAULT 'FREE',
  plan_version bigint NOT NULL DEFAULT 0,
  next_plan text,
  overrides jsonb NOT NULL DEFAULT '{}',
  period_start timestamptz NOT NULL,
  period_end timestamptz NOT NULL,
  last_seq bigint NOT NULL DEFAULT 0,
  head bytea NOT NULL
    DEFAULT '\x0000000000000000000000000000000000000000000000000000000000000000'::bytea,
  erasing_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  created_by uuid,
  version integer NOT NULL DEFAULT 1,
  CONSTRAINT subjects_plan_known CHECK (plan IN ('FREE', 'PRO', 'ENTERPRISE')),
  CONSTRAINT subjects_next_plan_known CHECK (next_plan IN ('FREE', 'PRO', 'ENTERPRISE')),
  CONSTRAINT subjects_period_has_length CHECK (period_start < period_end),
  CONSTRAINT subjects_seq_counts CHECK (last_seq >= 0),
  CONSTRAINT subjects_head_is_sha256 CHECK (octet_length(head) = 32)
);

CREATE TABLE jobs.jobs (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES identity.users ON DELETE CASCADE,
  task_type text NOT NULL,
  status text NOT NULL DEFAULT 'PENDING',
  priority smallint NOT NULL DEFAULT 5,
  payload jsonb,
  result jsonb,
  result_ref text,
  attempts smallint NOT NULL DEFAULT 0,
  max_attempts smallint NOT NULL,
  losses smallint NOT NULL DEFAULT 0,
  run_at timestamptz NOT NULL DEFAULT now(),
  deadline_at timestamptz,
  dispatched_at timestamptz,
  entry_id text,
  fence uuid,
  lease_until timestamptz,
  waiting_for uuid[],
  wake_at timestamptz,
  started_at timestamptz,
  finished_at timestamptz,
  cancel_requested_at timestamptz,
  progress jsonb,
  last_error text,
  failure_reason text,
  correlation_id text NOT NULL,
  traceparent text,
  idempotency_key text,
  idempotency_item smallint,
  idempotency_fingerprint bytea,
  source text NOT NULL,
  parent_job_id uuid REFERENCES jobs.jobs ON DELETE SET NULL,
  schedule_id uuid,
  billable boolean NOT NULL,
  usage_period timestamptz,
  reserved boolean NOT NULL DEFAULT false,
  deleted_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  created_by uuid,
  version integer NOT NULL DEFAULT 1,
  CONSTRAINT jobs_status_known CHECK (
    status IN ('PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')
  ),
  CONSTRAINT jobs_source_known CHECK (
    source IN ('dashboard', 'api', 'agent', 'schedule', 'replay')
  ),
  CONSTRAINT jobs_priority_in_range CHECK (priority BETWEEN 0 AND 9),
  CONSTRAINT jobs_attempts_count CHECK (attempts >= 0 AND max_attempts >= 1 AND losses >= 0),
  CONSTRAINT jobs_end_has_its_time CHECK (
    (finished_at IS NOT NULL) = (status IN ('COMPLETED', 'FAILED', 'CANCELLED'))
  ),
  CONSTRAINT jobs_end_settles CHECK (NOT reserved OR finished_at IS NULL),
  CONSTRAINT jobs_reserved_in_a_period CHECK (NOT reserved OR usage_period IS NOT NULL),
  CONSTRAINT jobs_keep_their_payload CHECK (payload IS NOT NULL OR finished_at IS NOT NULL),
  CONSTRAINT jobs_one_result CHECK (num_nonnulls(result, result_ref) <= 1),
  -- The largest result of 64 KiB takes six times as much as jsonb, whose size is free to measure.
  CONSTRAINT jobs_result_is_small CHECK (pg_column_size(result) <= 8 * 65536),
  CONSTRAINT jobs_fence_is_dispatched CHECK (fence IS NULL OR dispatched_at IS NOT NULL),
  CONSTRAINT jobs_idempotency_is_whole CHECK (
    num_nulls(idempotency_key, idempotency_item, idempotency_fingerprint) IN (0, 3)
  )
) WITH (fillfactor = 80);

CREATE INDEX jobs_by_user ON jobs.jobs (user_id, created_at DESC, id);

CREATE INDEX jobs_by_user_and_status ON jobs.jobs (user_id, status);

CREATE INDEX jobs_by_correlation ON jobs.jobs (correlation_id);

CREATE INDEX jobs_by_parent ON jobs.jobs (parent_job_id);

CREATE INDEX jobs_to_dispatch ON jobs.jobs (user_id, priority, run_at, id)
  WHERE status = 'PENDING' AND dispatched_at IS NULL;

-- No column that a heartbeat writes, so that heartbeats touch no index at all.
CREATE INDEX jobs_on_their_way ON jobs.jobs (id)
  WHERE finished_at IS NULL AND (status = 'RUNNING' OR dispatched_at IS NOT NULL);

CREATE UNIQUE INDEX jobs_one_per_idempotency_key
  ON jobs.jobs (user_id, idempotency_key, idempotency_item)
  WHERE idempotency_key IS NOT NULL;

CREATE UNIQUE INDEX jobs_one_per_firing ON jobs.jobs (schedule_id, run_at)
  WHERE schedule_id IS NOT NULL;

CREATE TABLE jobs.job_attempts (
  job_id uuid NOT NULL REFERENCES jobs.jobs ON DELETE CASCADE,
  fence uuid NOT NULL,
  attempt smallint NOT NULL,
  worker text,
  dispatched_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  finished_at timestamptz,
  outcome text,
  reason text,
  error text,
  timings_ms jsonb,
  PRIMARY KEY (job_id, fence),
  CONSTRAINT job_attempts_outcome_known CHECK (
    outcome IN ('succeeded', 'failed', 'lost', 'waiting', 'cancelled')
  )
);

CREATE TABLE jobs.usage_counters (
  id uuid PRIMARY KEY,
  user_id uuid REFERENCES identity.users ON DELETE SET NULL,
  subject_id uuid NOT NULL REFERENCES jobs.subjects,
  plan text NOT NULL,
  period_start timestamptz NOT NULL,
  period_end timestamptz NOT NULL,
  jobs_used bigint NOT NULL DEFAULT 0,
  jobs_reserved bigint NOT NULL DEFAULT 0,
  jobs_limit bigint,
  last_reconciled_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  created_by uuid,
  version integer NOT NULL DEFAULT 1,
  UNIQUE (subject_id, period_start),
  CONSTRAINT usage_counters_plan_known CHECK (plan IN ('FREE', 'PRO', 'ENTERPRISE')),
  CONSTRAINT usage_counters_period_has_length CHECK (period_start < period_end),
  CONSTRAINT usage_counters_count CHECK (
    jobs_used >= 0 AND jobs_reserved >= 0 AND jobs_limit >= 0
  ),
  CONSTRAINT usage_counters_no_overlap EXCLUDE USING gist (
    subject_id WITH =, tstzrange(period_start, period_end) WITH &&
  )
);

CREATE INDEX usage_counters_by_user ON jobs.usage_counters (user_id);

CREATE TABLE jobs.usage_events (
  subject_id uuid NOT NULL REFERENCES jobs.subjects,
  seq bigint NOT NULL,
  user_id uuid REFERENCES identity.users ON DELETE SET NULL,
  kind text NOT NULL,
  quantity bigint NOT NULL,
  job_id uuid,
  period_start timestamptz NOT NULL,
  stripe_event_id text,
  occurred_at timestamptz NOT NULL,
  prev_hash bytea NOT NULL,
  hash bytea NOT NULL,
  details jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (subject_id, seq),
  CONSTRAINT usage_events_kind_known CHECK (
    kind IN ('job_completed', 'stripe_usage_reported', 'reconciliation_adjustment', 'plan_changed')
  ),
  CONSTRAINT usage_events_completion_names_its_job CHECK (
    kind <> 'job_completed' OR (job_id IS NOT NULL AND quantity > 0)
  )
);

CREATE INDEX usage_events_by_user ON jobs.usage_events (user_id);

CREATE UNIQUE INDEX usage_events_one_per_job ON jobs.usage_events (job_id)
  WHERE kind = 'job_completed';

CREATE UNIQUE INDEX usage_events_one_per_stripe_event ON jobs.usage_events (stripe_event_id)
  WHERE stripe_event_id IS NOT NULL;

CREATE TABLE jobs.queue_stats (
  task_type text PRIMARY KEY,
  waiting integer NOT NULL,
  running integer NOT NULL,
  median_wait_ms integer,
  median_run_ms integer,
  measured_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE jobs.message_dead_letters (
  id uuid PRIMARY KEY,
  topic text NOT NULL,
  entry_id text NOT NULL,
  body jsonb NOT NULL,
  class text NOT NULL,
  error text NOT NULL,
  replay_count smallint NOT NULL DEFAULT 0,
  resolved_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  created_by uuid,
  version integer NOT NULL DEFAULT 1,
  UNIQUE (topic, entry_id),
  CONSTRAINT message_dead_letters_class_known CHECK (
    class IN ('transient', 'poison', 'downstream')
  ),
  CONSTRAINT message_dead_letters_replays_count CHECK (replay_count >= 0)
);

CREATE TABLE jobs.wire_epoch (
  only_row boolean PRIMARY KEY DEFAULT true,
  epoch text NOT NULL,
  served_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT wire_epoch_is_one_row CHECK (only_row)
);

CREATE TRIGGER touch BEFORE UPDATE ON jobs.subjects
  FOR EACH ROW EXECUTE FUNCTION jobs.touch();

CREATE TRIGGER touch BEFORE UPDATE ON jobs.jobs
  FOR EACH ROW EXECUTE FUNCTION jobs.touch();

CREATE TRIGGER touch BEFORE UPDATE ON jobs.usage_counters
  FOR EACH ROW EXECUTE FUNCTION jobs.touch();

CREATE TRIGGER touch BEFORE UPDATE ON jobs.message_dead_letters
  FOR EACH ROW EXECUTE FUNCTION jobs.touch();

-- The same bytes as msaas.contracts.usage_hash; an event without a job has the nil uuid in its place.
CREATE FUNCTION jobs.usage_hash(
  subject_id uuid, seq bigint, job_id uuid, quantity bigint, occurred_at timestamptz, prev_hash bytea
) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE RETURN sha256(
  uuid_send(subject_id)
  || int8send(seq)
  || uuid_send(coalesce(job_id, '00000000-0000-0000-0000-000000000000'))
  || int8send(quantity)
  || int8send((extract(epoch FROM occurred_at) * 1000000)::bigint)
  || prev_hash
);

-- Runs after the insert, once for each row that is really new and in the order of the insert, so
-- that the head never moves for an event that a conflict kept out.
CREATE FUNCTION jobs.link_usage_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.hash IS DISTINCT FROM jobs.usage_hash(
    NEW.subject_id, NEW.seq, NEW.job_id, NEW.quantity, NEW.occurred_at, NEW.prev_hash
  ) THEN
    RAISE integrity_constraint_violation USING MESSAGE = 'usage event does not hash to its hash';
  END IF;
  UPDATE jobs.subjects SET last_seq = NEW.seq, head = NEW.hash
  WHERE subject_id = NEW.subject_id AND last_seq = NEW.seq - 1 AND head = NEW.prev_hash;
  IF NOT FOUND THEN
    RAISE integrity_constraint_violation
      USING MESSAGE = 'usage event does not follow the head of its subject';
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER link AFTER INSERT ON jobs.usage_events
  FOR EACH ROW EXECUTE FUNCTION jobs.link_usage_event();

CREATE FUNCTION jobs.keep_usage_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    OLD.user_id := NULL; -- all that erasure may change
    IF NEW IS NOT DISTINCT FROM OLD THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE restrict_violation USING MESSAGE = 'usage events are append-only';
END $$;

CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON jobs.usage_events
  FOR EACH ROW EXECUTE FUNCTION jobs.keep_usage_event();

CREATE TRIGGER keep_all BEFORE TRUNCATE ON jobs.usage_events
  FOR EACH STATEMENT EXECUTE FUNCTION jobs.keep_usage_event();

ALTER TABLE jobs.subjects ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE jobs.jobs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE jobs.job_attempts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE jobs.usage_counters ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE jobs.usage_events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE jobs.queue_stats ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE jobs.message_dead_letters ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE jobs.wire_epoch ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY keeper ON jobs.subjects TO svc_jobs USING (true) WITH CHECK (true);

CREATE POLICY keeper ON jobs.jobs TO svc_jobs USING (true) WITH CHECK (true);

CREATE POLICY keeper ON jobs.job_attempts TO svc_jobs USING (true) WITH CHECK (true);

CREATE POLICY keeper ON jobs.usage_counters TO svc_jobs USING (true) WITH CHECK (true);

CREATE POLICY keeper ON jobs.usage_events TO svc_jobs USING (true) WITH CHECK (true);

CREATE POLICY keeper ON jobs.queue_stats TO svc_jobs USING (true) WITH CHECK (true);

CREATE POLICY keeper ON jobs.message_dead_letters TO svc_jobs USING (true) WITH CHECK (true);

CREATE POLICY keeper ON jobs.wire_epoch TO svc_jobs USING (true) WITH CHECK (true);

CREATE POLICY backfill ON jobs.subjects TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY backfill ON jobs.jobs TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY backfill ON jobs.job_attempts TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY backfill ON jobs.usage_counters TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY backfill ON jobs.usage_events TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY backfill ON jobs.queue_stats TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY backfill ON jobs.message_dead_letters TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY backfill ON jobs.wire_epoch TO msaas_backfill USING (true) WITH CHECK (true);

CREATE VIEW api_v1.jobs WITH (security_invoker = true) AS
  SELECT
    id, task_type, status, priority, payload, result, result_ref, attempts, max_attempts, losses,
    run_at, deadline_at, started_at, finished_at, cancel_requested_at, progress, last_error,
    failure_reason, correlation_id, source, parent_job_id, schedule_id, billable, created_at,
    updated_at, version
  FROM jobs.jobs;

CREATE VIEW api_v1.job_attempts WITH (security_invoker = true) AS
  SELECT
    job_id, attempt, dispatched_at, started_at, finished_at, outcome, reason, error, timings_ms
  FROM jobs.job_attempts;

CREATE VIEW api_v1.usage WITH (security_invoker = true) AS
  SELECT plan, period_start, period_end, jobs_used, jobs_reserved, jobs_limit, updated_at
  FROM jobs.usage_counters;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA jobs FROM PUBLIC;

GRANT USAGE ON SCHEMA jobs TO svc_jobs, msaas_backfill;

GRANT SELECT ON api_v1.jobs, api_v1.job_attempts, api_v1.usage TO authenticated;

-- The views are read with the user's own rights, so these are their columns.
GRANT SELECT (
  id, task_type, status, priority, payload, result, result_ref, attempts, max_attempts, losses,
  run_at, deadline_at, started_at, finished_at, cancel_requested_at, progress, last_error,
  failure_reason, correlation_id, source, parent_job_id, schedule_id, billable, created_at,
  updated_at, version
) ON jobs.jobs TO authenticated;

GRANT SELECT (
  job_id, attempt, dispatched_at, started_at, finished_at, outcome, reason, error, timings_ms
) ON jobs.job_attempts TO authenticated;

GRANT SELECT (
  plan, period_start, period_end, jobs_used, jobs_reserved, jobs_limit, updated_at
) ON jobs.usage_counters TO authenticated;

GRANT EXECUTE ON FUNCTION jobs.usage_hash TO svc_jobs, msaas_backfill;

GRANT SELECT, INSERT, UPDATE, DELETE
  ON jobs.jobs, jobs.job_attempts, jobs.queue_stats, jobs.message_dead_letters TO svc_jobs;

GRANT SELECT, INSERT, UPDATE ON jobs.subjects, jobs.usage_counters, jobs.wire_epoch TO svc_jobs;

GRANT SELECT, INSERT, UPDATE (user_id) ON jobs.usage_events TO svc_jobs;

GRANT SELECT, UPDATE
  ON jobs.subjects, jobs.jobs, jobs.job_attempts, jobs.usage_counters, jobs.queue_stats,
    jobs.message_dead_letters, jobs.wire_epoch
  TO msaas_backfill;

GRANT SELECT ON jobs.usage_events TO msaas_backfill;

RESET ROLE;

-- Made by the login: the owner of the tables may have no sight of Supabase's schema auth.
CREATE POLICY own_rows ON jobs.jobs FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()) AND deleted_at IS NULL);

-- Whoever sees a job sees its attempts: the policy of jobs holds in here too.
CREATE POLICY own_rows ON jobs.job_attempts FOR SELECT TO authenticated
  USING (EXISTS (SELECT FROM jobs.jobs WHERE id = job_id));

CREATE POLICY own_rows ON jobs.usage_counters FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));
