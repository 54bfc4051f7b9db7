-- The stamp is longer than what Alembic makes room for; the table is new and empty.
-- squawk-ignore changing-column-type
ALTER TABLE billing.alembic_version ALTER COLUMN version_num TYPE text;

-- A role may be in the making for another database of the server: nobody queues behind that wait.
SET LOCAL lock_timeout = '1min';

-- Users are referred to, so their table comes first; the login's password comes from whoever deploys.
DO $$
BEGIN
  IF to_regclass('identity.users') IS NULL OR to_regnamespace('api_v1') IS NULL THEN
    RAISE EXCEPTION 'schema identity is missing: migrate the gateway first';
  END IF;
  IF to_regrole('svc_billing') IS NULL THEN
    CREATE ROLE svc_billing LOGIN NOINHERIT;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL; -- another migration created it
END $$;

SET LOCAL lock_timeout = '2s';

ALTER SCHEMA billing OWNER TO msaas_owner;

SET LOCAL ROLE msaas_owner;

CREATE FUNCTION billing.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := greatest(OLD.updated_at + interval '1 microsecond', clock_timestamp());
  NEW.version := OLD.version + 1;
  RETURN NEW;
END $$;

-- A number is drawn before a fetch begins: of two fetches the higher number began later.
CREATE SEQUENCE billing.fetch_versions;

CREATE TABLE billing.accounts (
  id uuid NOT NULL,
  user_id uuid,
  stripe_customer_id text,
  livemode boolean NOT NULL,
  plan text DEFAULT 'FREE' NOT NULL,
  status text DEFAULT 'none' NOT NULL,
  period_start timestamptz,
  period_end timestamptz,
  next_plan text,
  past_due_since timestamptz,
  disputed_at timestamptz,
  customer_deleted_at timestamptz,
  fetched_version bigint DEFAULT 0 NOT NULL,
  published_version bigint DEFAULT 0 NOT NULL,
  fetched_at timestamptz,
  next_look_at timestamptz,
  created_at timestamptz DEFAULT now() NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  created_by uuid,
  version integer DEFAULT 1 NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT accounts_plan_known CHECK (plan IN ('FREE', 'PRO', 'ENTERPRISE')),
  CONSTRAINT accounts_next_plan_known CHECK (next_plan IN ('FREE', 'PRO', 'ENTERPRISE')),
  CONSTRAINT accounts_period_has_length CHECK (period_start < period_end),
  CONSTRAINT accounts_paid_plan_has_a_period CHECK (
    (plan = 'FREE') = (period_start IS NULL)
    AND (period_start IS NULL) = (period_end IS NULL)
  ),
  UNIQUE (user_id),
  CONSTRAINT accounts_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE SET NULL,
  UNIQUE (stripe_customer_id)
);

CREATE INDEX accounts_to_look_at ON billing.accounts (next_look_at) WHERE next_look_at IS NOT NULL;

CREATE TABLE billing.broker_epoch (
  only_row boolean DEFAULT true NOT NULL,
  epoch text NOT NULL,
  handled_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (only_row),
  CONSTRAINT broker_epoch_is_one_row CHECK (only_row)
);

CREATE TABLE billing.catalogue (
  livemode boolean NOT NULL,
  meter_id text NOT NULL,
  meter_event_name text NOT NULL,
  portal_configuration_id text NOT NULL,
  webhook_endpoint_id text NOT NULL,
  api_version text NOT NULL,
  verified_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (livemode)
);

CREATE TABLE billing.message_dead_letters (
  id uuid NOT NULL,
  topic text NOT NULL,
  entry_id text NOT NULL,
  body jsonb NOT NULL,
  class text NOT NULL,
  error text NOT NULL,
  replay_count smallint DEFAULT 0 NOT NULL,
  resolved_at timestamptz,
  created_at timestamptz DEFAULT now() NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  created_by uuid,
  version integer DEFAULT 1 NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT message_dead_letters_class_known CHECK (
    class IN ('transient', 'poison', 'downstream')
  ),
  UNIQUE (topic, entry_id)
);

CREATE INDEX message_dead_letters_resolved ON billing.message_dead_letters (resolved_at, id)
  WHERE resolved_at IS NOT NULL;

CREATE TABLE billing.outbox (
  id uuid NOT NULL,
  topic text NOT NULL,
  message_type text NOT NULL,
  body jsonb NOT NULL,
  correlation_id text NOT NULL,
  traceparent text,
  created_at timestamptz DEFAULT now() NOT NULL,
  sent_at timestamptz,
  PRIMARY KEY (id)
);

CREATE INDEX outbox_sent ON billing.outbox (sent_at) WHERE sent_at IS NOT NULL;

CREATE INDEX outbox_unsent ON billing.outbox (id) WHERE sent_at IS NULL;

CREATE TABLE billing.prices (
  stripe_price_id text NOT NULL,
  plan text NOT NULL,
  kind text NOT NULL,
  lookup_key text NOT NULL,
  product_id text NOT NULL,
  currency text NOT NULL,
  unit_amount numeric NOT NULL,
  recurring_interval text NOT NULL,
  meter_id text,
  livemode boolean NOT NULL,
  is_offered boolean NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (stripe_price_id),
  CONSTRAINT prices_plan_known CHECK (plan IN ('FREE', 'PRO', 'ENTERPRISE')),
  CONSTRAINT prices_kind_known CHECK (kind IN ('flat', 'metered')),
  CONSTRAINT prices_metered_has_meter CHECK ((kind = 'metered') = (meter_id IS NOT NULL)),
  CONSTRAINT prices_amount_counts CHECK (unit_amount >= 0)
);

CREATE UNIQUE INDEX prices_one_offered ON billing.prices (plan, kind, livemode) WHERE is_offered;

CREATE TABLE billing.reconciliation_runs (
  id uuid NOT NULL,
  trigger text NOT NULL,
  state text DEFAULT 'RUNNING' NOT NULL,
  started_at timestamptz DEFAULT now() NOT NULL,
  finished_at timestamptz,
  position uuid,
  accounts bigint DEFAULT 0 NOT NULL,
  findings bigint DEFAULT 0 NOT NULL,
  error text,
  PRIMARY KEY (id),
  CONSTRAINT reconciliation_runs_trigger_known CHECK (trigger IN ('cron', 'operator')),
  CONSTRAINT reconciliation_runs_state_known CHECK (state IN ('RUNNING', 'COMPLETED', 'FAILED')),
  CONSTRAINT reconciliation_runs_end_has_its_time CHECK (
    (state = 'RUNNING') = (finished_at IS NULL)
  )
);

CREATE INDEX reconciliation_runs_by_time ON billing.reconciliation_runs (started_at DESC);

CREATE UNIQUE INDEX reconciliation_runs_one_running ON billing.reconciliation_runs (state)
  WHERE state = 'RUNNING';

CREATE TABLE billing.stripe_events (
  event_id text NOT NULL,
  type text NOT NULL,
  created timestamptz NOT NULL,
  livemode boolean NOT NULL,
  api_version text,
  is_thin boolean DEFAULT false NOT NULL,
  object_id text,
  stripe_customer_id text,
  payload jsonb,
  source text NOT NULL,
  state text DEFAULT 'RECEIVED' NOT NULL,
  outcome text,
  attempts integer DEFAULT 0 NOT NULL,
  received_at timestamptz DEFAULT now() NOT NULL,
  next_attempt_at timestamptz DEFAULT now(),
  finished_at timestamptz,
  error text,
  correlation_id text NOT NULL,
  traceparent text,
  PRIMARY KEY (event_id),
  CONSTRAINT stripe_events_source_known CHECK (source IN ('webhook', 'backfill')),
  CONSTRAINT stripe_events_state_known CHECK (
    state IN ('RECEIVED', 'APPLIED', 'IGNORED', 'DEAD')
  ),
  CONSTRAINT stripe_events_end_has_its_time CHECK ((state = 'RECEIVED') = (finished_at IS NULL)),
  CONSTRAINT stripe_events_unfinished_are_due CHECK (
    (state = 'RECEIVED') = (next_attempt_at IS NOT NULL)
  )
);

CREATE INDEX stripe_events_by_created ON billing.stripe_events (created);

CREATE INDEX stripe_events_by_customer ON billing.stripe_events (stripe_customer_id);

CREATE INDEX stripe_events_by_receipt ON billing.stripe_events (received_at);

CREATE INDEX stripe_events_dead ON billing.stripe_events (finished_at) WHERE state = 'DEAD';

CREATE INDEX stripe_events_due ON billing.stripe_events (next_attempt_at) WHERE state = 'RECEIVED';

CREATE TABLE billing.watermarks (
  name text NOT NULL,
  reached timestamptz NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (name)
);

CREATE TABLE billing.invoices (
  stripe_invoice_id text NOT NULL,
  account_id uuid NOT NULL,
  user_id uuid,
  stripe_subscription_id text,
  number text,
  status text NOT NULL,
  currency text NOT NULL,
  total bigint NOT NULL,
  amount_due bigint NOT NULL,
  amount_paid bigint NOT NULL,
  amount_remaining bigint NOT NULL,
  billing_reason text,
  attempt_count integer DEFAULT 0 NOT NULL,
  next_payment_attempt timestamptz,
  period_start timestamptz NOT NULL,
  period_end timestamptz NOT NULL,
  finalized_at timestamptz,
  paid_at timestamptz,
  hosted_invoice_url text,
  fetched_version bigint NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (stripe_invoice_id),
  CONSTRAINT invoices_status_known CHECK (
    status IN ('draft', 'open', 'paid', 'uncollectible', 'void')
  ),
  CONSTRAINT invoices_account_id_fkey FOREIGN KEY (account_id) REFERENCES billing.accounts (id),
  CONSTRAINT invoices_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE SET NULL
);

CREATE INDEX invoices_by_account ON billing.invoices (account_id, created_at DESC);

CREATE INDEX invoices_by_user ON billing.invoices (user_id, created_at DESC);

CREATE TABLE billing.reconciliation_findings (
  id uuid NOT NULL,
  run_id uuid NOT NULL,
  account_id uuid,
  kind text NOT NULL,
  outcome text NOT NULL,
  period_start timestamptz,
  period_end timestamptz,
  counted bigint,
  events bigint,
  reported bigint,
  at_stripe bigint,
  evidence jsonb DEFAULT '{}' NOT NULL,
  healed_at timestamptz,
  resolved_at timestamptz,
  created_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT reconciliation_findings_outcome_known CHECK (
    outcome IN ('equal', 'in_flight', 'ours_ahead', 'stripe_ahead', 'inconsistent')
  ),
  CONSTRAINT reconciliation_findings_run_id_fkey FOREIGN KEY (run_id)
    REFERENCES billing.reconciliation_runs (id),
  CONSTRAINT reconciliation_findings_account_id_fkey FOREIGN KEY (account_id)
    REFERENCES billing.accounts (id)
);

CREATE INDEX reconciliation_findings_by_account
  ON billing.reconciliation_findings (account_id, created_at DESC);

CREATE INDEX reconciliation_findings_by_run ON billing.reconciliation_findings (run_id);

CREATE TABLE billing.requests (
  id uuid NOT NULL,
  account_id uuid NOT NULL,
  user_id uuid,
  kind text NOT NULL,
  idempotency_key text NOT NULL,
  fingerprint bytea NOT NULL,
  state text DEFAULT 'OPEN' NOT NULL,
  attempt integer DEFAULT 0 NOT NULL,
  answer jsonb,
  stripe_object_id text,
  created_at timestamptz DEFAULT now() NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (account_id, idempotency_key),
  CONSTRAINT requests_kind_known CHECK (
    kind IN ('checkout', 'portal', 'change_plan', 'cancel', 'resume', 'spend_limit')
  ),
  CONSTRAINT requests_state_known CHECK (state IN ('OPEN', 'DONE')),
  CONSTRAINT requests_done_has_an_answer CHECK ((state = 'DONE') = (answer IS NOT NULL)),
  CONSTRAINT requests_account_id_fkey FOREIGN KEY (account_id) REFERENCES billing.accounts (id),
  CONSTRAINT requests_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE SET NULL
);

CREATE INDEX requests_by_expiry ON billing.requests (expires_at);

CREATE INDEX requests_by_user ON billing.requests (user_id);

CREATE TABLE billing.spend_alerts (
  account_id uuid NOT NULL,
  period_start timestamptz NOT NULL,
  percent smallint NOT NULL,
  spent bigint NOT NULL,
  amount bigint NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (account_id, period_start, percent),
  CONSTRAINT spend_alerts_percent_known CHECK (percent IN (50, 80, 100)),
  CONSTRAINT spend_alerts_account_id_fkey FOREIGN KEY (account_id) REFERENCES billing.accounts (id)
);

CREATE TABLE billing.spend_limits (
  account_id uuid NOT NULL,
  user_id uuid,
  amount bigint,
  currency text DEFAULT 'usd' NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  created_by uuid,
  version integer DEFAULT 1 NOT NULL,
  PRIMARY KEY (account_id),
  CONSTRAINT spend_limits_amount_counts CHECK (amount >= 0),
  CONSTRAINT spend_limits_account_id_fkey FOREIGN KEY (account_id)
    REFERENCES billing.accounts (id),
  CONSTRAINT spend_limits_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE SET NULL
);

CREATE INDEX spend_limits_by_user ON billing.spend_limits (user_id);

CREATE TABLE billing.subscriptions (
  stripe_subscription_id text NOT NULL,
  account_id uuid NOT NULL,
  user_id uuid,
  plan text NOT NULL,
  status text NOT NULL,
  current_period_start timestamptz,
  current_period_end timestamptz,
  cancel_at_period_end boolean DEFAULT false NOT NULL,
  cancel_at timestamptz,
  canceled_at timestamptz,
  ended_at timestamptz,
  trial_end timestamptz,
  collection_paused boolean DEFAULT false NOT NULL,
  next_plan text,
  schedule_id text,
  flat_item_id text,
  flat_price_id text,
  metered_item_id text,
  metered_price_id text,
  latest_invoice_id text,
  started_at timestamptz NOT NULL,
  fetched_version bigint NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (stripe_subscription_id),
  CONSTRAINT subscriptions_plan_known CHECK (plan IN ('FREE', 'PRO', 'ENTERPRISE')),
  CONSTRAINT subscriptions_next_plan_known CHECK (next_plan IN ('FREE', 'PRO', 'ENTERPRISE')),
  CONSTRAINT subscriptions_period_in_order CHECK (current_period_start <= current_period_end),
  CONSTRAINT subscriptions_account_id_fkey FOREIGN KEY (account_id)
    REFERENCES billing.accounts (id),
  CONSTRAINT subscriptions_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE SET NULL
);

CREATE INDEX subscriptions_by_account ON billing.subscriptions (account_id);

CREATE INDEX subscriptions_by_user ON billing.subscriptions (user_id);

CREATE TABLE billing.usage_chains (
  subject_id uuid NOT NULL,
  user_id uuid,
  account_id uuid,
  last_seq bigint DEFAULT 0 NOT NULL,
  head bytea DEFAULT '\x0000000000000000000000000000000000000000000000000000000000000000'::bytea NOT NULL,
  highest_seq bigint DEFAULT 0 NOT NULL,
  gap_since timestamptz,
  resend_requested_at timestamptz,
  created_at timestamptz DEFAULT now() NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  created_by uuid,
  version integer DEFAULT 1 NOT NULL,
  PRIMARY KEY (subject_id),
  CONSTRAINT usage_chains_seq_counts CHECK (0 <= last_seq AND last_seq <= highest_seq),
  CONSTRAINT usage_chains_head_is_sha256 CHECK (octet_length(head) = 32),
  CONSTRAINT usage_chains_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE SET NULL,
  CONSTRAINT usage_chains_account_id_fkey FOREIGN KEY (account_id) REFERENCES billing.accounts (id)
);

CREATE INDEX usage_chains_by_account ON billing.usage_chains (account_id);

CREATE INDEX usage_chains_by_user ON billing.usage_chains (user_id);

CREATE INDEX usage_chains_with_gap ON billing.usage_chains (gap_since) WHERE gap_since IS NOT NULL;

CREATE TABLE billing.invoice_lines (
  stripe_invoice_id text NOT NULL,
  line_id text NOT NULL,
  user_id uuid,
  description text,
  amount bigint NOT NULL,
  quantity numeric,
  unit_amount numeric,
  price_id text,
  subscription_item_id text,
  is_metered boolean DEFAULT false NOT NULL,
  is_proration boolean DEFAULT false NOT NULL,
  period_start timestamptz NOT NULL,
  period_end timestamptz NOT NULL,
  PRIMARY KEY (stripe_invoice_id, line_id),
  CONSTRAINT invoice_lines_stripe_invoice_id_fkey FOREIGN KEY (stripe_invoice_id)
    REFERENCES billing.invoices (stripe_invoice_id),
  CONSTRAINT invoice_lines_user_id_fkey FOREIGN KEY (user_id)
    REFERENCES identity.users (id) ON DELETE SET NULL
);

CREATE INDEX invoice_lines_by_user ON billing.invoice_lines (user_id);

CREATE TABLE billing.invoice_proofs (
  stripe_invoice_id text NOT NULL,
  subject_id uuid NOT NULL,
  first_seq bigint NOT NULL,
  last_seq bigint NOT NULL,
  quantity bigint NOT NULL,
  head_before bytea NOT NULL,
  head_after bytea NOT NULL,
  key_id text NOT NULL,
  signature bytea NOT NULL,
  metadata_written_at timestamptz,
  created_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (stripe_invoice_id, subject_id),
  CONSTRAINT invoice_proofs_head_before_is_sha256 CHECK (octet_length(head_before) = 32),
  CONSTRAINT invoice_proofs_head_after_is_sha256 CHECK (octet_length(head_after) = 32),
  CONSTRAINT invoice_proofs_signature_is_ed25519 CHECK (octet_length(signature) = 64),
  CONSTRAINT invoice_proofs_stripe_invoice_id_fkey FOREIGN KEY (stripe_invoice_id)
    REFERENCES billing.invoices (stripe_invoice_id),
  CONSTRAINT invoice_proofs_subject_id_fkey FOREIGN KEY (subject_id)
    REFERENCES billing.usage_chains (subject_id)
);

CREATE INDEX invoice_proofs_by_subject ON billing.invoice_proofs (subject_id);

CREATE INDEX invoice_proofs_unwritten ON billing.invoice_proofs (created_at)
  WHERE metadata_written_at IS NULL;

CREATE TABLE billing.meter_reports (
  id uuid NOT NULL,
  identifier text NOT NULL,
  account_id uuid NOT NULL,
  subject_id uuid NOT NULL,
  stripe_customer_id text NOT NULL,
  quantity bigint NOT NULL,
  meter_timestamp timestamptz NOT NULL,
  period_start timestamptz NOT NULL,
  first_seq bigint NOT NULL,
  last_seq bigint NOT NULL,
  head bytea NOT NULL,
  state text DEFAULT 'PENDING' NOT NULL,
  attempts integer DEFAULT 0 NOT NULL,
  next_attempt_at timestamptz DEFAULT now() NOT NULL,
  first_sent_at timestamptz,
  last_sent_at timestamptz,
  reported_at timestamptz,
  published_at timestamptz,
  error text,
  created_at timestamptz DEFAULT now() NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  created_by uuid,
  version integer DEFAULT 1 NOT NULL,
  PRIMARY KEY (id),
  CONSTRAINT meter_reports_state_known CHECK (
    state IN ('PENDING', 'SENDING', 'AMBIGUOUS', 'REPORTED', 'REJECTED', 'CANCELLED')
  ),
  CONSTRAINT meter_reports_quantity_counts CHECK (quantity > 0),
  CONSTRAINT meter_reports_seq_in_order CHECK (first_seq <= last_seq),
  CONSTRAINT meter_reports_head_is_sha256 CHECK (octet_length(head) = 32),
  CONSTRAINT meter_reports_sent_after_commit CHECK (
    (state = 'PENDING') = (first_sent_at IS NULL)
  ),
  CONSTRAINT meter_reports_reported_has_its_time CHECK (
    (state IN ('REPORTED', 'CANCELLED')) = (reported_at IS NOT NULL)
  ),
  UNIQUE (identifier),
  CONSTRAINT meter_reports_account_id_fkey FOREIGN KEY (account_id)
    REFERENCES billing.accounts (id),
  CONSTRAINT meter_reports_subject_id_fkey FOREIGN KEY (subject_id)
    REFERENCES billing.usage_chains (subject_id)
);

CREATE INDEX meter_reports_by_account_and_time
  ON billing.meter_reports (account_id, meter_timestamp);

CREATE INDEX meter_reports_by_subject ON billing.meter_reports (subject_id);

CREATE INDEX meter_reports_due ON billing.meter_reports (next_attempt_at)
  WHERE state IN ('PENDING', 'SENDING', 'AMBIGUOUS');

CREATE INDEX meter_reports_unpublished ON billing.meter_reports (id)
  WHERE state = 'REPORTED' AND published_at IS NULL;

CREATE TABLE billing.corrections (
  id uuid NOT NULL,
  account_id uuid NOT NULL,
  subject_id uuid NOT NULL,
  job_id uuid NOT NULL,
  revision integer NOT NULL,
  quantity bigint NOT NULL,
  reason text NOT NULL,
  period_start timestamptz NOT NULL,
  means text NOT NULL,
  state text DEFAULT 'PENDING' NOT NULL,
  reverses_report_id uuid,
  report_id uuid,
  stripe_invoice_id text,
  stripe_credit_note_id text,
  amount bigint,
  attempts integer DEFAULT 0 NOT NULL,
  applied_at timestamptz,
  error text,
  created_at timestamptz DEFAULT now() NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  created_by uuid,
  version integer DEFAULT 1 NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (job_id, revision),
  CONSTRAINT corrections_means_known CHECK (
    means IN ('unreported', 'meter_adjustment', 'credit_note', 'none')
  ),
  CONSTRAINT corrections_state_known CHECK (
    state IN ('PENDING', 'SENDING', 'APPLIED', 'REJECTED')
  ),
  CONSTRAINT corrections_change_something CHECK (quantity <> 0),
  CONSTRAINT corrections_revision_counts CHECK (revision > 0),
  CONSTRAINT corrections_account_id_fkey FOREIGN KEY (account_id) REFERENCES billing.accounts (id),
  CONSTRAINT corrections_subject_id_fkey FOREIGN KEY (subject_id)
    REFERENCES billing.usage_chains (subject_id),
  CONSTRAINT corrections_reverses_report_id_fkey FOREIGN KEY (reverses_report_id)
    REFERENCES billing.meter_reports (id),
  CONSTRAINT corrections_report_id_fkey FOREIGN KEY (report_id)
    REFERENCES billing.meter_reports (id)
);

CREATE INDEX corrections_by_account ON billing.corrections (account_id);

CREATE INDEX corrections_by_subject ON billing.corrections (subject_id);

CREATE INDEX corrections_open ON billing.corrections (id) WHERE state IN ('PENDING', 'SENDING');

CREATE TABLE billing.usage_events (
  subject_id uuid NOT NULL,
  seq bigint NOT NULL,
  kind text NOT NULL,
  job_id uuid,
  quantity bigint NOT NULL,
  plan text,
  occurred_at timestamptz NOT NULL,
  period_start timestamptz NOT NULL,
  prev_hash bytea NOT NULL,
  hash bytea NOT NULL,
  billing text NOT NULL,
  report_id uuid,
  price_id text,
  received_at timestamptz DEFAULT now() NOT NULL,
  PRIMARY KEY (subject_id, seq),
  CONSTRAINT usage_events_plan_known CHECK (plan IN ('FREE', 'PRO', 'ENTERPRISE')),
  CONSTRAINT usage_events_billing_known CHECK (
    billing IN ('unreported', 'assigned', 'free', 'none')
  ),
  CONSTRAINT usage_events_assigned_to_a_report CHECK (
    (billing = 'assigned') = (report_id IS NOT NULL)
  ),
  CONSTRAINT usage_events_completion_names_its_job CHECK (
    kind <> 'job_completed' OR (job_id IS NOT NULL AND plan IS NOT NULL AND quantity > 0)
  ),
  CONSTRAINT usage_events_hash_is_sha256 CHECK (octet_length(hash) = 32),
  CONSTRAINT usage_events_prev_hash_is_sha256 CHECK (octet_length(prev_hash) = 32),
  CONSTRAINT usage_events_subject_id_fkey FOREIGN KEY (subject_id)
    REFERENCES billing.usage_chains (subject_id),
  CONSTRAINT usage_events_report_id_fkey FOREIGN KEY (report_id)
    REFERENCES billing.meter_reports (id)
);

CREATE INDEX usage_events_by_report ON billing.usage_events (report_id);

CREATE INDEX usage_events_by_subject_and_time ON billing.usage_events (subject_id, occurred_at);

CREATE UNIQUE INDEX usage_events_one_per_job ON billing.usage_events (job_id)
  WHERE kind = 'job_completed';

CREATE INDEX usage_events_unreported ON billing.usage_events (subject_id, seq)
  WHERE billing = 'unreported';

CREATE TRIGGER touch BEFORE UPDATE ON billing.accounts
  FOR EACH ROW EXECUTE FUNCTION billing.touch();

CREATE TRIGGER touch BEFORE UPDATE ON billing.message_dead_letters
  FOR EACH ROW EXECUTE FUNCTION billing.touch();

CREATE TRIGGER touch BEFORE UPDATE ON billing.spend_limits
  FOR EACH ROW EXECUTE FUNCTION billing.touch();

CREATE TRIGGER touch BEFORE UPDATE ON billing.usage_chains
  FOR EACH ROW EXECUTE FUNCTION billing.touch();

CREATE TRIGGER touch BEFORE UPDATE ON billing.meter_reports
  FOR EACH ROW EXECUTE FUNCTION billing.touch();

CREATE TRIGGER touch BEFORE UPDATE ON billing.corrections
  FOR EACH ROW EXECUTE FUNCTION billing.touch();

ALTER TABLE billing.accounts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.broker_epoch ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.catalogue ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.message_dead_letters ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.prices ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.reconciliation_runs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.stripe_events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.watermarks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.invoices ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.reconciliation_findings ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.requests ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.spend_alerts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.spend_limits ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.subscriptions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.usage_chains ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.invoice_lines ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.invoice_proofs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.meter_reports ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.corrections ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

ALTER TABLE billing.usage_events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY service ON billing.accounts TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.accounts TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.broker_epoch TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.broker_epoch TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.catalogue TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.catalogue TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.message_dead_letters TO svc_billing
  USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.message_dead_letters TO msaas_backfill
  USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.outbox TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.outbox TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.prices TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.prices TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.reconciliation_runs TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.reconciliation_runs TO msaas_backfill
  USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.stripe_events TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.stripe_events TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.watermarks TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.watermarks TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.invoices TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.invoices TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.reconciliation_findings TO svc_billing
  USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.reconciliation_findings TO msaas_backfill
  USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.requests TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.requests TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.spend_alerts TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.spend_alerts TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.spend_limits TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.spend_limits TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.subscriptions TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.subscriptions TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.usage_chains TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.usage_chains TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.invoice_lines TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.invoice_lines TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.invoice_proofs TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.invoice_proofs TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.meter_reports TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.meter_reports TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.corrections TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.corrections TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY service ON billing.usage_events TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.usage_events TO msaas_backfill USING (true) WITH CHECK (true);

CREATE POLICY everyone ON billing.prices FOR SELECT TO authenticated USING (true);

CREATE VIEW api_v1.billing_accounts WITH (security_invoker = true) AS
  SELECT
    plan, status, period_start, period_end, next_plan, past_due_since, disputed_at, updated_at
  FROM billing.accounts;

CREATE VIEW api_v1.subscriptions WITH (security_invoker = true) AS
  SELECT
    stripe_subscription_id, plan, status, current_period_start, current_period_end,
    cancel_at_period_end, cancel_at, canceled_at, ended_at, trial_end, collection_paused,
    next_plan, started_at, updated_at
  FROM billing.subscriptions;

CREATE VIEW api_v1.spend_limits WITH (security_invoker = true) AS
  SELECT
    amount, currency, updated_at
  FROM billing.spend_limits;

CREATE VIEW api_v1.prices WITH (security_invoker = true) AS
  SELECT
    plan, kind, currency, unit_amount, recurring_interval, is_offered
  FROM billing.prices;

CREATE VIEW api_v1.invoices WITH (security_invoker = true) AS
  SELECT
    stripe_invoice_id, number, status, currency, total, amount_due, amount_paid,
    amount_remaining, billing_reason, next_payment_attempt, period_start, period_end,
    finalized_at, paid_at, hosted_invoice_url, created_at, updated_at
  FROM billing.invoices;

CREATE VIEW api_v1.invoice_lines WITH (security_invoker = true) AS
  SELECT
    stripe_invoice_id, line_id, description, amount, quantity, unit_amount, is_metered,
    is_proration, period_start, period_end
  FROM billing.invoice_lines;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA billing FROM PUBLIC;

GRANT USAGE ON SCHEMA billing TO svc_billing, msaas_backfill;

GRANT SELECT ON
  api_v1.billing_accounts, api_v1.subscriptions, api_v1.spend_limits, api_v1.prices,
  api_v1.invoices, api_v1.invoice_lines
  TO authenticated;

-- The views are read with the user's own rights, so these are their columns.
GRANT SELECT (
  plan, status, period_start, period_end, next_plan, past_due_since, disputed_at, updated_at
) ON billing.accounts TO authenticated;

GRANT SELECT (
  stripe_subscription_id, plan, status, current_period_start, current_period_end,
  cancel_at_period_end, cancel_at, canceled_at, ended_at, trial_end, collection_paused,
  next_plan, started_at, updated_at
) ON billing.subscriptions TO authenticated;

GRANT SELECT (
  amount, currency, updated_at
) ON billing.spend_limits TO authenticated;

GRANT SELECT (
  plan, kind, currency, unit_amount, recurring_interval, is_offered
) ON billing.prices TO authenticated;

GRANT SELECT (
  stripe_invoice_id, number, status, currency, total, amount_due, amount_paid,
  amount_remaining, billing_reason, next_payment_attempt, period_start, period_end,
  finalized_at, paid_at, hosted_invoice_url, created_at, updated_at
) ON billing.invoices TO authenticated;

GRANT SELECT (
  stripe_invoice_id, line_id, description, amount, quantity, unit_amount, is_metered,
  is_proration, period_start, period_end
) ON billing.invoice_lines TO authenticated;

GRANT USAGE, SELECT ON SEQUENCE billing.fetch_versions TO svc_billing;

GRANT SELECT, INSERT, UPDATE ON
  billing.accounts, billing.subscriptions, billing.spend_limits, billing.prices,
  billing.catalogue, billing.usage_chains, billing.invoices, billing.invoice_lines,
  billing.reconciliation_runs, billing.reconciliation_findings, billing.watermarks,
  billing.broker_epoch
  TO svc_billing;

GRANT SELECT, INSERT, UPDATE, DELETE ON
  billing.stripe_events, billing.requests, billing.outbox, billing.message_dead_letters
  TO svc_billing;

-- Lines of a draft are replaced when it is fetched again.
GRANT DELETE ON billing.invoice_lines TO svc_billing;

GRANT SELECT, INSERT ON billing.spend_alerts TO svc_billing;

-- What was received, assigned and signed is never changed; only what came of it.
GRANT SELECT, INSERT, UPDATE (billing, report_id, price_id) ON billing.usage_events TO svc_billing;

GRANT SELECT, INSERT, UPDATE (
  state, attempts, next_attempt_at, first_sent_at, last_sent_at, reported_at, published_at, error,
  updated_at, version
) ON billing.meter_reports TO svc_billing;

GRANT SELECT, INSERT, UPDATE (
  state, report_id, stripe_invoice_id, stripe_credit_note_id, amount, attempts, applied_at, error,
  updated_at, version
) ON billing.corrections TO svc_billing;

GRANT SELECT, INSERT, UPDATE (metadata_written_at) ON billing.invoice_proofs TO svc_billing;

GRANT SELECT, UPDATE ON
  billing.accounts, billing.broker_epoch, billing.catalogue, billing.message_dead_letters,
  billing.outbox, billing.prices, billing.reconciliation_runs, billing.stripe_events,
  billing.watermarks, billing.invoices, billing.reconciliation_findings, billing.requests,
  billing.spend_limits, billing.subscriptions, billing.usage_chains, billing.invoice_lines
  TO msaas_backfill;

GRANT SELECT ON
  billing.usage_events, billing.meter_reports, billing.corrections, billing.invoice_proofs,
  billing.spend_alerts
  TO msaas_backfill;

RESET ROLE;

-- Made by the login: the owner of the tables may have no sight of Supabase's schema auth.
CREATE POLICY own_rows ON billing.accounts FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));

CREATE POLICY own_rows ON billing.subscriptions FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));

CREATE POLICY own_rows ON billing.spend_limits FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));

CREATE POLICY own_rows ON billing.invoices FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));

CREATE POLICY own_rows ON billing.invoice_lines FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));
