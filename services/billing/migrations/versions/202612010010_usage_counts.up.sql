SET LOCAL ROLE msaas_owner;

CREATE TABLE billing.usage_counts (
  subject_id uuid NOT NULL,
  period_start timestamptz NOT NULL,
  used bigint NOT NULL,
  last_seq bigint NOT NULL,
  head bytea NOT NULL,
  counted_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (subject_id, period_start),
  CONSTRAINT usage_counts_used_counts CHECK (used >= 0),
  CONSTRAINT usage_counts_head_is_sha256 CHECK (octet_length(head) = 32)
);

ALTER TABLE billing.usage_counts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY service ON billing.usage_counts TO svc_billing USING (true) WITH CHECK (true);

CREATE POLICY backfill ON billing.usage_counts TO msaas_backfill USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE ON billing.usage_counts TO svc_billing;

GRANT SELECT, UPDATE ON billing.usage_counts TO msaas_backfill;

RESET ROLE;
