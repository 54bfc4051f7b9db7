SET LOCAL ROLE msaas_owner;

DROP POLICY own_rows ON billing.invoice_proofs;

DROP POLICY own_rows ON billing.corrections;

DROP POLICY own_rows ON billing.meter_reports;

DROP POLICY own_rows ON billing.usage_events;

DROP POLICY own_rows ON billing.usage_chains;

DROP VIEW
  api_v1.invoice_proofs, api_v1.usage_links, api_v1.usage_reports, api_v1.usage_corrections;

REVOKE SELECT (user_id) ON billing.invoices FROM authenticated;

REVOKE SELECT (subject_id, user_id) ON billing.usage_chains FROM authenticated;

REVOKE SELECT (
  job_id, subject_id, means, state, quantity, stripe_invoice_id, amount, applied_at
) ON billing.corrections FROM authenticated;

REVOKE SELECT (id, subject_id, meter_timestamp, state) ON billing.meter_reports FROM authenticated;

REVOKE SELECT (
  subject_id, seq, job_id, quantity, occurred_at, prev_hash, hash, report_id
) ON billing.usage_events FROM authenticated;

REVOKE SELECT (
  stripe_invoice_id, subject_id, first_seq, last_seq, statement, signature, metadata_written_at,
  created_at
) ON billing.invoice_proofs FROM authenticated;

-- squawk-ignore ban-drop-column
ALTER TABLE billing.invoice_proofs DROP COLUMN statement;

-- squawk-ignore ban-drop-column
ALTER TABLE billing.invoices DROP COLUMN prove_at;

RESET ROLE;
