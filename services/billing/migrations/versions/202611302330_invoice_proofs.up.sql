SET LOCAL ROLE msaas_owner;

ALTER TABLE billing.invoices ADD COLUMN prove_at timestamptz;

ALTER TABLE billing.invoice_proofs ADD COLUMN statement text NOT NULL DEFAULT '';

CREATE VIEW api_v1.invoice_proofs WITH (security_invoker = true) AS
  SELECT
    stripe_invoice_id, subject_id, first_seq, last_seq, statement, signature, metadata_written_at,
    created_at
  FROM billing.invoice_proofs;

CREATE VIEW api_v1.usage_links WITH (security_invoker = true) AS
  SELECT subject_id, seq, job_id, quantity, occurred_at, prev_hash, hash, report_id
  FROM billing.usage_events;

CREATE VIEW api_v1.usage_reports WITH (security_invoker = true) AS
  SELECT id, subject_id, meter_timestamp, state FROM billing.meter_reports;

CREATE VIEW api_v1.usage_corrections WITH (security_invoker = true) AS
  SELECT job_id, subject_id, means, state, quantity, stripe_invoice_id, amount, applied_at
  FROM billing.corrections;

GRANT SELECT ON
  api_v1.invoice_proofs, api_v1.usage_links, api_v1.usage_reports, api_v1.usage_corrections
  TO authenticated;

-- The views are read with the user's own rights, so these are their columns.
GRANT SELECT (
  stripe_invoice_id, subject_id, first_seq, last_seq, statement, signature, metadata_written_at,
  created_at
) ON billing.invoice_proofs TO authenticated;

GRANT SELECT (
  subject_id, seq, job_id, quantity, occurred_at, prev_hash, hash, report_id
) ON billing.usage_events TO authenticated;

GRANT SELECT (id, subject_id, meter_timestamp, state) ON billing.meter_reports TO authenticated;

GRANT SELECT (
  job_id, subject_id, means, state, quantity, stripe_invoice_id, amount, applied_at
) ON billing.corrections TO authenticated;

-- Whose a chain is, for the policies of what hangs on it.
GRANT SELECT (subject_id, user_id) ON billing.usage_chains TO authenticated;

GRANT SELECT (user_id) ON billing.invoices TO authenticated;

RESET ROLE;

-- Made by the login: the owner of the tables may have no sight of Supabase's schema auth.
CREATE POLICY own_rows ON billing.usage_chains FOR SELECT TO authenticated
  USING (user_id = (SELECT auth.uid()));

CREATE POLICY own_rows ON billing.usage_events FOR SELECT TO authenticated
  USING (subject_id IN (
    SELECT c.subject_id FROM billing.usage_chains c WHERE c.user_id = (SELECT auth.uid())
  ));

CREATE POLICY own_rows ON billing.meter_reports FOR SELECT TO authenticated
  USING (subject_id IN (
    SELECT c.subject_id FROM billing.usage_chains c WHERE c.user_id = (SELECT auth.uid())
  ));

CREATE POLICY own_rows ON billing.corrections FOR SELECT TO authenticated
  USING (subject_id IN (
    SELECT c.subject_id FROM billing.usage_chains c WHERE c.user_id = (SELECT auth.uid())
  ));

CREATE POLICY own_rows ON billing.invoice_proofs FOR SELECT TO authenticated
  USING (stripe_invoice_id IN (
    SELECT i.stripe_invoice_id FROM billing.invoices i WHERE i.user_id = (SELECT auth.uid())
  ));
