-- The stamp is longer than what Alembic makes room for; the table is new and empty.
-- squawk-ignore changing-column-type
ALTER TABLE agents.alembic_version ALTER COLUMN version_num TYPE text;

-- A role may be in the making for another database of the server: nobody queues behind that wait.
SET LOCAL lock_timeout = '1min';

-- Users are referred to, so their table comes first; the login's password comes from whoever deploys.
DO $$
BEGIN
  IF to_regclass('identity.users') IS NULL OR to_regnamespace('api_v1') IS NULL THEN
    RAISE EXCEPTION 'schema identity is missing: migrate the gateway first';
  END IF;
  IF to_regrole('svc_agents') IS NULL THEN
    CREATE ROLE svc_agents LOGIN NOINHERIT;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL; -- another migration created it
END $$;

SET LOCAL lock_timeout = '2s';

ALTER SCHEMA agents OWNER TO msaas_owner;

SET LOCAL ROLE msaas_owner;

CREATE FUNCTION agents.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := greatest(OLD.updated_at + interval '1 microsecond', clock_timestamp());
  NEW.version := OLD.version + 1;
  RETURN NEW;
END $$;

CREATE TABLE agents.broker_epoch (
  only_row boolean DEFAULT true NOT NULL,
  epoch text NOT NULL,
  handled_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (only_row),
  CONSTRAINT broker_epoch_is_one_row CHECK (only_row)
);

CREATE TABLE agents.documents (
  user_id uuid NOT NULL,
  sha256 text NOT NULL,
  url text NOT NULL,
  title text,
  text text NOT NULL,
  links jsonb DEFAULT '[]' NOT NULL,
  job_id uuid,
  created_at timestamptz DEFAULT now() NOT NULL,
  last_used_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (user_id, sha256),
  CONSTRAINT documents_sha256_is_hex CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  CONSTRAINT documents_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE CASCADE
);

CREATE INDEX documents_by_use ON agents.documents (last_used_at, user_id, sha256);

CREATE TABLE agents.memories (
  id uuid NOT NULL,
  user_id uuid NOT NULL,
  url text NOT NULL,
  sha256 text NOT NULL,
  start_char integer NOT NULL,
  end_char integer NOT NULL,
  text text NOT NULL,
  text_hash bytea NOT NULL,
  job_id uuid,
  created_at timestamptz DEFAULT now() NOT NULL,
  last_used_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT memories_user_id_text_hash_key UNIQUE (user_id, text_hash),
  CONSTRAINT memories_span_in_order CHECK (0 <= start_char AND start_char <= end_char),
  CONSTRAINT memories_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE CASCADE
);

CREATE INDEX memories_by_use ON agents.memories (last_used_at, id);

CREATE TABLE agents.runs (
  id uuid NOT NULL,
  user_id uuid NOT NULL,
  workflow_type text NOT NULL,
  plan text NOT NULL,
  state text DEFAULT 'running' NOT NULL,
  title text NOT NULL,
  params jsonb,
  fence uuid NOT NULL,
  graph_fingerprint text NOT NULL,
  max_steps integer NOT NULL,
  max_tokens bigint NOT NULL,
  max_cost_micro_usd bigint NOT NULL,
  max_seconds integer NOT NULL,
  steps integer DEFAULT 0 NOT NULL,
  tokens_in bigint DEFAULT 0 NOT NULL,
  tokens_out bigint DEFAULT 0 NOT NULL,
  tokens_lost bigint DEFAULT 0 NOT NULL,
  tokens_reserved bigint DEFAULT 0 NOT NULL,
  cost_micro_usd bigint DEFAULT 0 NOT NULL,
  cost_reserved_micro_usd bigint DEFAULT 0 NOT NULL,
  model_calls integer DEFAULT 0 NOT NULL,
  repeated_calls integer DEFAULT 0 NOT NULL,
  child_jobs integer DEFAULT 0 NOT NULL,
  partial_reason text,
  failure_reason text,
  answer jsonb,
  started_at timestamptz DEFAULT now() NOT NULL,
  deadline_at timestamptz NOT NULL,
  paused_at timestamptz,
  finished_at timestamptz,
  content_removed_at timestamptz,
  created_at timestamptz DEFAULT now() NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  created_by uuid,
  version integer DEFAULT 1 NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT runs_plan_known CHECK (plan IN ('FREE', 'PRO', 'ENTERPRISE')),
  CONSTRAINT runs_state_known CHECK (
    state IN ('running', 'waiting', 'succeeded', 'failed', 'cancelled')
  ),
  CONSTRAINT runs_end_has_its_time CHECK (
    (state IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)
  ),
  CONSTRAINT runs_success_is_whole CHECK (failure_reason IS NULL OR state <> 'succeeded'),
  CONSTRAINT runs_within_steps CHECK (steps <= max_steps),
  CONSTRAINT runs_within_tokens CHECK (
    tokens_in + tokens_out + tokens_lost + tokens_reserved <= max_tokens
  ),
  CONSTRAINT runs_within_cost CHECK (
    cost_micro_usd + cost_reserved_micro_usd <= max_cost_micro_usd
  ),
  CONSTRAINT runs_spend_counts CHECK (
    least(tokens_in, tokens_out, tokens_lost, tokens_reserved,
      cost_micro_usd, cost_reserved_micro_usd) >= 0
  ),
  CONSTRAINT runs_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE CASCADE
);

CREATE INDEX runs_by_user ON agents.runs (user_id, created_at DESC, id);

CREATE INDEX runs_open ON agents.runs (id) WHERE finished_at IS NULL;

CREATE INDEX runs_with_content ON agents.runs (finished_at, id) WHERE content_removed_at IS NULL;

CREATE TABLE agents.spend_days (
  user_id uuid NOT NULL,
  day date NOT NULL,
  max_cost_micro_usd bigint NOT NULL,
  cost_micro_usd bigint DEFAULT 0 NOT NULL,
  cost_reserved_micro_usd bigint DEFAULT 0 NOT NULL,
  PRIMARY KEY (user_id, day),
  CONSTRAINT spend_days_within_cost CHECK (
    cost_micro_usd + cost_reserved_micro_usd <= max_cost_micro_usd
  ),
  CONSTRAINT spend_days_spend_counts CHECK (least(cost_micro_usd, cost_reserved_micro_usd) >= 0),
  CONSTRAINT spend_days_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE CASCADE
);

CREATE INDEX spend_days_by_day ON agents.spend_days (day, user_id);

CREATE TABLE agents.approvals (
  id uuid NOT NULL,
  run_id uuid NOT NULL,
  user_id uuid NOT NULL,
  call_key text NOT NULL,
  kind text NOT NULL,
  title text NOT NULL,
  text text NOT NULL,
  form jsonb NOT NULL,
  state text DEFAULT 'open' NOT NULL,
  answer jsonb,
  expires_at timestamptz NOT NULL,
  decided_at timestamptz,
  created_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT approvals_run_id_call_key_key UNIQUE (run_id, call_key),
  CONSTRAINT approvals_kind_known CHECK (kind IN ('approval', 'answer')),
  CONSTRAINT approvals_state_known CHECK (
    state IN ('open', 'approved', 'denied', 'answered', 'expired')
  ),
  CONSTRAINT approvals_end_has_its_time CHECK ((state = 'open') = (decided_at IS NULL)),
  CONSTRAINT approvals_end_fits_the_kind CHECK (
    state IN ('open', 'expired') OR (kind = 'answer') = (state = 'answered')
  ),
  CONSTRAINT approvals_run_id_fkey FOREIGN KEY (run_id)
    REFERENCES agents.runs (id) ON DELETE CASCADE,
  CONSTRAINT approvals_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE CASCADE
);

CREATE INDEX approvals_by_user ON agents.approvals (user_id);

CREATE INDEX approvals_open ON agents.approvals (expires_at) WHERE state = 'open';

CREATE TABLE agents.checkpoint_blobs (
  run_id uuid NOT NULL,
  thread_id text NOT NULL,
  checkpoint_ns text NOT NULL,
  channel text NOT NULL,
  channel_version text NOT NULL,
  user_id uuid NOT NULL,
  kind text NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (run_id, thread_id, checkpoint_ns, channel, channel_version),
  CONSTRAINT checkpoint_blobs_run_id_fkey FOREIGN KEY (run_id)
    REFERENCES agents.runs (id) ON DELETE CASCADE,
  CONSTRAINT checkpoint_blobs_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE CASCADE
);

CREATE INDEX checkpoint_blobs_by_user ON agents.checkpoint_blobs (user_id);

CREATE TABLE agents.checkpoint_writes (
  run_id uuid NOT NULL,
  thread_id text NOT NULL,
  checkpoint_ns text NOT NULL,
  checkpoint_id text NOT NULL,
  task_id text NOT NULL,
  write_index integer NOT NULL,
  user_id uuid NOT NULL,
  task_path text DEFAULT '' NOT NULL,
  channel text NOT NULL,
  kind text NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (run_id, thread_id, checkpoint_ns, checkpoint_id, task_id, write_index),
  CONSTRAINT checkpoint_writes_run_id_fkey FOREIGN KEY (run_id)
    REFERENCES agents.runs (id) ON DELETE CASCADE,
  CONSTRAINT checkpoint_writes_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE CASCADE
);

CREATE INDEX checkpoint_writes_by_user ON agents.checkpoint_writes (user_id);

CREATE TABLE agents.checkpoints (
  run_id uuid NOT NULL,
  thread_id text NOT NULL,
  checkpoint_ns text NOT NULL,
  checkpoint_id text NOT NULL,
  user_id uuid NOT NULL,
  parent_id text,
  kind text NOT NULL,
  body bytea NOT NULL,
  channel_versions jsonb NOT NULL,
  metadata jsonb NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (run_id, thread_id, checkpoint_ns, checkpoint_id),
  CONSTRAINT checkpoints_run_id_fkey FOREIGN KEY (run_id)
    REFERENCES agents.runs (id) ON DELETE CASCADE,
  CONSTRAINT checkpoints_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE CASCADE
);

CREATE INDEX checkpoints_by_user ON agents.checkpoints (user_id);

CREATE TABLE agents.frame_outbox (
  id bigint GENERATED BY DEFAULT AS IDENTITY,
  run_id uuid NOT NULL,
  user_id uuid NOT NULL,
  subject text NOT NULL,
  message_type text NOT NULL,
  body jsonb NOT NULL,
  claimed_until timestamptz DEFAULT '-infinity' NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT frame_outbox_run_id_subject_key UNIQUE (run_id, subject),
  CONSTRAINT frame_outbox_run_id_fkey FOREIGN KEY (run_id)
    REFERENCES agents.runs (id) ON DELETE CASCADE,
  CONSTRAINT frame_outbox_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE CASCADE
);

CREATE INDEX frame_outbox_by_user ON agents.frame_outbox (user_id);

CREATE TABLE agents.llm_calls (
  run_id uuid NOT NULL,
  call_key text NOT NULL,
  attempt integer NOT NULL,
  user_id uuid NOT NULL,
  purpose text NOT NULL,
  state text DEFAULT 'reserved' NOT NULL,
  day date NOT NULL,
  tokens_reserved bigint NOT NULL,
  cost_reserved_micro_usd bigint NOT NULL,
  tokens_in bigint,
  tokens_out bigint,
  cost_micro_usd bigint,
  provider text,
  model text,
  answer jsonb,
  created_at timestamptz DEFAULT now() NOT NULL,
  ended_at timestamptz,
  PRIMARY KEY (run_id, call_key, attempt),
  CONSTRAINT llm_calls_state_known CHECK (state IN ('reserved', 'answered', 'failed', 'lost')),
  CONSTRAINT llm_calls_end_has_its_time CHECK ((state = 'reserved') = (ended_at IS NULL)),
  CONSTRAINT llm_calls_within_reservation CHECK (
    coalesce(tokens_in + tokens_out, 0) <= tokens_reserved
    AND coalesce(cost_micro_usd, 0) <= cost_reserved_micro_usd
  ),
  CONSTRAINT llm_calls_run_id_fkey FOREIGN KEY (run_id)
    REFERENCES agents.runs (id) ON DELETE CASCADE,
  CONSTRAINT llm_calls_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE CASCADE
);

CREATE INDEX llm_calls_by_user ON agents.llm_calls (user_id);

CREATE UNIQUE INDEX llm_calls_one_of_a_key ON agents.llm_calls (run_id, call_key)
  WHERE state IN ('reserved', 'answered');

CREATE TABLE agents.sightings (
  run_id uuid NOT NULL,
  name text NOT NULL,
  user_id uuid NOT NULL,
  sha256 text NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (run_id, name),
  CONSTRAINT sightings_document_fkey FOREIGN KEY (user_id, sha256)
    REFERENCES agents.documents (user_id, sha256) ON DELETE CASCADE,
  CONSTRAINT sightings_run_id_fkey FOREIGN KEY (run_id)
    REFERENCES agents.runs (id) ON DELETE CASCADE,
  CONSTRAINT sightings_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE CASCADE
);

CREATE INDEX sightings_by_document ON agents.sightings (user_id, sha256);

CREATE INDEX sightings_by_name ON agents.sightings (user_id, name, created_at);

CREATE TABLE agents.steps (
  run_id uuid NOT NULL,
  seq integer NOT NULL,
  user_id uuid NOT NULL,
  key text NOT NULL,
  kind text NOT NULL,
  state text NOT NULL,
  title text NOT NULL,
  detail text,
  child_job_id uuid,
  approval_id uuid,
  model_calls integer DEFAULT 0 NOT NULL,
  tokens bigint DEFAULT 0 NOT NULL,
  cost_micro_usd bigint DEFAULT 0 NOT NULL,
  started_at timestamptz DEFAULT now() NOT NULL,
  finished_at timestamptz,
  PRIMARY KEY (run_id, seq),
  CONSTRAINT steps_run_id_key_key UNIQUE (run_id, key),
  CONSTRAINT steps_state_known CHECK (
    state IN ('started', 'waiting', 'done', 'failed', 'blocked', 'skipped')
  ),
  CONSTRAINT steps_run_id_fkey FOREIGN KEY (run_id) REFERENCES agents.runs (id) ON DELETE CASCADE,
  CONSTRAINT steps_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE CASCADE
);

CREATE INDEX steps_by_user ON agents.steps (user_id);

CREATE TABLE agents.tool_calls (
  run_id uuid NOT NULL,
  call_key text NOT NULL,
  user_id uuid NOT NULL,
  child_job_id uuid NOT NULL,
  task_type text NOT NULL,
  arguments jsonb,
  state text DEFAULT 'open' NOT NULL,
  outcome jsonb,
  created_at timestamptz DEFAULT now() NOT NULL,
  ended_at timestamptz,
  PRIMARY KEY (run_id, call_key),
  CONSTRAINT tool_calls_state_known CHECK (state IN ('open', 'ended')),
  CONSTRAINT tool_calls_end_has_its_time CHECK ((state = 'open') = (ended_at IS NULL)),
  CONSTRAINT tool_calls_run_id_fkey FOREIGN KEY (run_id)
    REFERENCES agents.runs (id) ON DELETE CASCADE,
  CONSTRAINT tool_calls_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE CASCADE,
  CONSTRAINT tool_calls_child_job_id_key UNIQUE (child_job_id)
);

CREATE INDEX tool_calls_by_user ON agents.tool_calls (user_id);

CREATE TRIGGER touch BEFORE UPDATE ON agents.runs
  FOR EACH ROW EXECUTE FUNCTION agents.touch();

ALTER TABLE agents.broker_epoch ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE agents.documents ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE agents.memories ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE agents.runs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE agents.spend_days ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE agents.approvals ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE agents.checkpoint_blobs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE agents.checkpoint_writes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE agents.checkpoints ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE agents.frame_outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE agents.llm_calls ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE agents.sightings ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE agents.steps ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE agents.tool_calls ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY service ON agents.broker_epoch TO svc_agents USING (true) WITH CHECK (true);

CREATE POLICY backfill ON agents.broker_epoch TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON agents.documents TO svc_agents USING (true) WITH CHECK (true);

CREATE POLICY backfill ON agents.documents TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON agents.memories TO svc_agents USING (true) WITH CHECK (true);

CREATE POLICY backfill ON agents.memories TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON agents.runs TO svc_agents USING (true) WITH CHECK (true);

CREATE POLICY backfill ON agents.runs TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON agents.spend_days TO svc_agents USING (true) WITH CHECK (true);

CREATE POLICY backfill ON agents.spend_days TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON agents.approvals TO svc_agents USING (true) WITH CHECK (true);

CREATE POLICY backfill ON agents.approvals TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON agents.checkpoint_blobs TO svc_agents USING (true) WITH CHECK (true);

CREATE POLICY backfill ON agents.checkpoint_blobs TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON agents.checkpoint_writes TO svc_agents USING (true) WITH CHECK (true);

CREATE POLICY backfill ON agents.checkpoint_writes TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON agents.checkpoints TO svc_agents USING (true) WITH CHECK (true);

CREATE POLICY backfill ON agents.checkpoints TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON agents.frame_outbox TO svc_agents USING (true) WITH CHECK (true);

CREATE POLICY backfill ON agents.frame_outbox TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON agents.llm_calls TO svc_agents USING (true) WITH CHECK (true);

CREATE POLICY backfill ON agents.llm_calls TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON agents.sightings TO svc_agents USING (true) WITH CHECK (true);

CREATE POLICY backfill ON agents.sightings TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON agents.steps TO svc_agents USING (true) WITH CHECK (true);

CREATE POLICY backfill ON agents.steps TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON agents.tool_calls TO svc_agents USING (true) WITH CHECK (true);

CREATE POLICY backfill ON agents.tool_calls TO msaas_backfill USING (true) WITH CHECK (true);

CREATE VIEW api_v1.agent_runs WITH (security_invoker = true) AS
  SELECT
    id, workflow_type, plan, state, title, params, max_steps, max_tokens, max_cost_micro_usd,
    max_seconds, steps, tokens_in, tokens_out, tokens_lost, tokens_reserved, cost_micro_usd,
    cost_reserved_micro_usd, model_calls, repeated_calls, child_jobs, partial_reason,
    failure_reason, answer, version, started_at, deadline_at, finished_at, created_at, updated_at,
    partial_reason IS NOT NULL AS partial
  FROM agents.runs;

CREATE VIEW api_v1.agent_steps WITH (security_invoker = true) AS
  SELECT
    run_id, seq, kind, state, title, detail, child_job_id, approval_id, model_calls, tokens,
    cost_micro_usd, started_at, finished_at
  FROM agents.steps;

CREATE VIEW api_v1.agent_approvals WITH (security_invoker = true) AS
  SELECT
    id, run_id, kind, title, text, form, state, answer, expires_at, decided_at, created_at
  FROM agents.approvals;

CREATE VIEW api_v1.agent_documents WITH (security_invoker = true) AS
  SELECT
    sha256, url, title, text, job_id, created_at, last_used_at
  FROM agents.documents;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA agents FROM PUBLIC;

GRANT USAGE ON SCHEMA agents TO svc_agents, msaas_backfill;

GRANT SELECT ON
  api_v1.agent_runs, api_v1.agent_steps, api_v1.agent_approvals, api_v1.agent_documents
  TO authenticated;

-- The views are read with the user's own rights, so these are their columns.
GRANT SELECT (
  id, workflow_type, plan, state, title, params, max_steps, max_tokens, max_cost_micro_usd,
  max_seconds, steps, tokens_in, tokens_out, tokens_lost, tokens_reserved, cost_micro_usd,
  cost_reserved_micro_usd, model_calls, repeated_calls, child_jobs, partial_reason,
  failure_reason, answer, version, started_at, deadline_at, finished_at, created_at, updated_at
) ON agents.runs TO authenticated;

GRANT SELECT (
  run_id, seq, kind, state, title, detail, child_job_id, approval_id, model_calls, tokens,
  cost_micro_usd, started_at, finished_at
) ON agents.steps TO authenticated;

GRANT SELECT (
  id, run_id, kind, title, text, form, state, answer, expires_at, decided_at, created_at
) ON agents.approvals TO authenticated;

GRANT SELECT (
  sha256, url, title, text, job_id, created_at, last_used_at
) ON agents.documents TO authenticated;

GRANT SELECT, INSERT, UPDATE, DELETE ON
  agents.documents, agents.memories, agents.runs, agents.spend_days, agents.approvals,
  agents.checkpoint_blobs, agents.checkpoint_writes, agents.checkpoints, agents.frame_outbox,
  agents.llm_calls, agents.sightings, agents.steps, agents.tool_calls
  TO svc_agents;

GRANT SELECT, INSERT, UPDATE ON agents.broker_epoch TO svc_agents;

GRANT SELECT, UPDATE ON
  agents.broker_epoch, agents.documents, agents.memories, agents.runs, agents.spend_days,
  agents.approvals, agents.checkpoint_blobs, agents.checkpoint_writes, agents.checkpoints,
  agents.frame_outbox, agents.llm_calls, agents.sightings, agents.steps, agents.tool_calls
  TO msaas_backfill;

RESET ROLE;

-- Made by the login: the owner of the tables may have no sight of Supabase's schema auth.
CREATE POLICY own_rows ON agents.runs FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));

CREATE POLICY own_rows ON agents.steps FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));

CREATE POLICY own_rows ON agents.approvals FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));

CREATE POLICY own_rows ON agents.documents FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));
