DROP VIEW
  api_v1.billing_accounts, api_v1.subscriptions, api_v1.spend_limits, api_v1.prices,
  api_v1.invoices, api_v1.invoice_lines;

DROP TABLE
  billing.usage_events, billing.corrections, billing.meter_reports, billing.invoice_proofs,
  billing.invoice_lines, billing.usage_chains, billing.subscriptions, billing.spend_limits,
  billing.spend_alerts, billing.requests, billing.reconciliation_findings, billing.invoices,
  billing.watermarks, billing.stripe_events, billing.reconciliation_runs, billing.prices,
  billing.outbox, billing.message_dead_letters, billing.catalogue, billing.broker_epoch,
  billing.accounts;

DROP SEQUENCE billing.fetch_versions;

DROP FUNCTION billing.touch();
