"""The statements about reconciliation."""

from typing import Final

BEGIN: Final = """
INSERT INTO billing.reconciliation_runs (id, trigger)
SELECT $1, $2
WHERE NOT EXISTS (SELECT FROM billing.reconciliation_runs WHERE state = 'RUNNING' OR id = $1)
ON CONFLICT DO NOTHING
"""

FIND_RUN: Final = """
SELECT id, position, state = 'RUNNING' AS is_running, accounts, findings
FROM billing.reconciliation_runs WHERE state = 'RUNNING' OR id = $1
ORDER BY state = 'RUNNING' DESC LIMIT 1
"""

# An account's windows begin where a period did, of the subscription or of a report.
LIST_CUSTOMERS: Final = """
SELECT
  a.id AS account_id, a.user_id, a.stripe_customer_id AS customer_id, array_remove(
    ARRAY[a.period_start] || ARRAY(
      SELECT DISTINCT r.period_start FROM billing.meter_reports r
      WHERE r.account_id = a.id AND r.meter_timestamp > now() - interval '62 days'
    ), NULL
  ) AS boundaries
FROM billing.accounts a
WHERE a.stripe_customer_id IS NOT NULL AND a.customer_deleted_at IS NULL AND a.id > $1
ORDER BY a.id LIMIT $2
"""

# Usage in no report yet counts in the last window, where its report will.
WEIGH: Final = """
WITH windows AS (
  SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::boolean[])
    AS w (account_id, start, stop, is_last)
)
SELECT
  w.account_id, w.start, w.stop, coalesce(r.reported, 0)::bigint AS reported,
  (coalesce(r.open, 0) + waiting.units)::bigint AS open, coalesce(r.recent, 0)::bigint AS recent,
  coalesce(r.rejected, 0)::bigint AS rejected,
  (coalesce(e.units, 0) - coalesce(c.units, 0) + waiting.units)::bigint AS events
FROM windows w
LEFT JOIN LATERAL (
  SELECT
    sum(m.quantity) FILTER (WHERE m.state = 'REPORTED') AS reported,
    sum(m.quantity) FILTER (WHERE m.state IN ('PENDING', 'SENDING', 'AMBIGUOUS')) AS open,
    sum(m.quantity) FILTER (
      WHERE m.state = 'REPORTED' AND (m.reported_at > now() - interval '1 hour' OR EXISTS (
        SELECT FROM billing.corrections k
        WHERE k.reverses_report_id = m.id AND k.means = 'meter_adjustment' AND k.state = 'SENDING'
      ))
    ) AS recent,
    sum(m.quantity) FILTER (WHERE m.state = 'REJECTED') AS rejected
  FROM billing.meter_reports m
  WHERE m.account_id = w.account_id AND m.meter_timestamp >= w.start AND m.meter_timestamp < w.stop
) r ON true
LEFT JOIN LATERAL (
  SELECT sum(u.quantity) AS units
  FROM billing.meter_reports m JOIN billing.usage_events u ON u.report_id = m.id
  WHERE m.account_id = w.account_id AND m.meter_timestamp >= w.start AND m.meter_timestamp < w.stop
) e ON true
LEFT JOIN LATERAL (
  SELECT -sum(k.quantity) AS units
  FROM billing.meter_reports m JOIN billing.usage_events u ON u.report_id = m.id
  JOIN billing.corrections k ON k.job_id = u.job_id
  WHERE m.account_id = w.account_id AND m.meter_timestamp >= w.start AND m.meter_timestamp < w.stop
    AND k.means = 'meter_adjustment' AND k.state = 'APPLIED'
) c ON true
CROSS JOIN LATERAL (
  SELECT coalesce(sum(u.quantity), 0) AS units
  FROM billing.usage_chains h JOIN billing.usage_events u ON u.subject_id = h.subject_id
  WHERE w.is_last AND h.account_id = w.account_id AND u.billing = 'unreported'
) waiting
"""

LIST_SENT: Final = """
SELECT
  m.id, m.identifier, m.quantity, date_trunc('minute', m.meter_timestamp) AS minute, (
    SELECT count(*) = 1 FROM billing.meter_reports o
    WHERE o.account_id = m.account_id AND o.state <> 'CANCELLED'
      AND date_trunc('minute', o.meter_timestamp) = date_trunc('minute', m.meter_timestamp)
  ) AS is_alone, EXISTS (
    SELECT FROM billing.invoices i
    JOIN billing.invoice_lines l ON l.stripe_invoice_id = i.stripe_invoice_id AND l.is_metered
    WHERE i.account_id = m.account_id AND i.finalized_at IS NOT NULL
      AND m.meter_timestamp >= l.period_start AND m.meter_timestamp < l.period_end
  ) OR m.meter_timestamp < now() - interval '34 days' AS is_invoiced
FROM billing.meter_reports m
WHERE m.account_id = $1 AND m.meter_timestamp >= $2 AND m.meter_timestamp < $3
  AND m.state = 'REPORTED' AND m.reported_at <= now() - interval '1 hour'
ORDER BY m.meter_timestamp
"""

# Only the process whose page follows the stored position may store it.
ADVANCE: Final = """
UPDATE billing.reconciliation_runs SET
  position = $3, accounts = accounts + $4, findings = findings + $5
WHERE id = $1 AND position IS NOT DISTINCT FROM $2 AND state = 'RUNNING'
RETURNING true
"""

INSERT_FINDING: Final = """
INSERT INTO billing.reconciliation_findings (
  id, run_id, account_id, kind, outcome, period_start, period_end, counted, events, reported,
  at_stripe, evidence, healed_at
) VALUES (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::jsonb,
  CASE WHEN $13 THEN clock_timestamp() END
)
"""

# The next message settles it: the summaries decide again whether it is sent.
REOPEN_REPORT: Final = """
UPDATE billing.meter_reports SET
  state = 'AMBIGUOUS', reported_at = NULL, error = 'lost_at_stripe',
  next_attempt_at = clock_timestamp()
WHERE id = ANY($1::uuid[]) AND state = 'REPORTED'
"""

# The timer asks for another fetch, which heals what differs.
LOOK_AGAIN: Final = """
UPDATE billing.accounts SET next_look_at = clock_timestamp()
WHERE id = $1 AND user_id IS NOT NULL
"""

FINISH: Final = """
UPDATE billing.reconciliation_runs SET state = 'COMPLETED', finished_at = clock_timestamp()
WHERE id = $1 AND state = 'RUNNING'
"""

SUMMARIZE: Final = """
SELECT
  (SELECT id FROM billing.reconciliation_runs WHERE state = 'RUNNING') AS running,
  (SELECT position FROM billing.reconciliation_runs WHERE state = 'RUNNING') AS position,
  (SELECT max(started_at) FROM billing.reconciliation_runs) AS last_started,
  (SELECT max(finished_at) FROM billing.reconciliation_runs WHERE state = 'COMPLETED')
    AS last_success
"""

COUNT_OPEN: Final = """
SELECT kind, outcome, count(*) AS findings FROM billing.reconciliation_findings
WHERE run_id = (
  SELECT id FROM billing.reconciliation_runs WHERE state = 'COMPLETED'
  ORDER BY started_at DESC LIMIT 1
) AND healed_at IS NULL AND resolved_at IS NULL
GROUP BY kind, outcome
"""

LIST_FINDINGS: Final = """
SELECT
  account_id, kind, outcome, period_start, period_end, counted, events, reported, at_stripe,
  evidence::text AS evidence, healed_at IS NOT NULL AS is_healed
FROM billing.reconciliation_findings WHERE run_id = $1 ORDER BY created_at, id
"""

# The newest word counts: jobs may answer twice, and in any order.
TAKE_COUNTS: Final = """
INSERT INTO billing.usage_counts (subject_id, period_start, used, last_seq, head)
SELECT subject_id, period_start, used, last_seq, decode(head, 'hex')
FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::text[])
  AS g (subject_id, period_start, used, last_seq, head)
ON CONFLICT (subject_id, period_start) DO UPDATE SET
  used = excluded.used, last_seq = excluded.last_seq, head = excluded.head,
  counted_at = clock_timestamp()
WHERE usage_counts.last_seq <= excluded.last_seq
"""

LIST_COUNTS: Final = """
SELECT
  h.account_id, c.period_start, c.used AS counted, c.last_seq, (
    SELECT coalesce(sum(e.quantity), 0)::bigint FROM billing.usage_events e
    WHERE e.subject_id = c.subject_id AND e.period_start = c.period_start
      AND e.seq <= c.last_seq AND e.kind IN ('job_completed', 'reconciliation_adjustment')
  ) AS events, c.last_seq = 0 OR EXISTS (
    SELECT FROM billing.usage_events e
    WHERE e.subject_id = c.subject_id AND e.seq = c.last_seq AND e.hash = c.head
  ) AS is_same_chain
FROM billing.usage_counts c JOIN billing.usage_chains h USING (subject_id)
WHERE h.account_id = ANY($1::uuid[]) AND c.last_seq <= h.last_seq
  AND c.period_start > now() - interval '62 days'
"""

LIST_SUBJECTS: Final = """
SELECT subject_id FROM billing.usage_chains WHERE account_id = ANY($1::uuid[]) ORDER BY subject_id
"""
