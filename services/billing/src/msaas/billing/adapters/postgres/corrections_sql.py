"""The statements about corrections of usage."""

from typing import Final

# A report that was taken back is followed to the one that replaced it.
_PRESENT: Final = """
WITH RECURSIVE present (id) AS (
  SELECT report_id FROM billing.usage_events WHERE job_id = $1 AND kind = 'job_completed'
  UNION
  SELECT c.report_id FROM billing.corrections c JOIN present p ON c.reverses_report_id = p.id
  WHERE c.report_id IS NOT NULL
)
"""

FIND_SUBJECT: Final = """
SELECT subject_id FROM billing.usage_events WHERE job_id = $1 AND kind = 'job_completed'
"""

FIND_CHARGE: Final = """
SELECT
  e.subject_id, e.seq, e.job_id, e.quantity, e.billing, e.period_start, c.account_id,
  coalesce((SELECT max(r.revision) FROM billing.corrections r WHERE r.job_id = e.job_id), 0)
    AS revision
FROM billing.usage_events e JOIN billing.usage_chains c USING (subject_id)
WHERE e.job_id = $1 AND e.kind = 'job_completed'
"""

# The last report of the line of replacements; one that was taken back whole has none after it.
FIND_REPORT: Final = f"""{_PRESENT}
SELECT %s FROM billing.meter_reports WHERE id IN (SELECT id FROM present)
ORDER BY created_at DESC, id DESC LIMIT 1
"""  # noqa: S608  # fixed column names

INSERT: Final = """
INSERT INTO billing.corrections (
  id, account_id, subject_id, job_id, revision, quantity, reason, period_start, means, state,
  reverses_report_id, applied_at
) VALUES (
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
  CASE WHEN $10 = 'APPLIED' THEN clock_timestamp() END
)
"""

RELEASE_EVENT: Final = """
UPDATE billing.usage_events SET billing = 'none'
WHERE subject_id = $1 AND seq = $2 AND billing = 'unreported'
"""

_CORRECTION: Final = """
SELECT c.*, r.identifier AS reverses_identifier
FROM billing.corrections c LEFT JOIN billing.meter_reports r ON r.id = c.reverses_report_id
"""

LIST_OPEN: Final = f"""{_CORRECTION}
WHERE c.subject_id = $1 AND c.state IN ('PENDING', 'SENDING') ORDER BY c.created_at, c.id
"""

LIST_APPLIED: Final = f"""{_CORRECTION}
WHERE c.subject_id = $1 AND c.applied_at > now() - interval '1 day' ORDER BY c.created_at, c.id
"""

FIND_OF_JOB: Final = f"""{_CORRECTION}
WHERE c.job_id = $1 AND c.state <> 'REJECTED' ORDER BY c.revision DESC LIMIT 1
"""

IS_BUSY: Final = """
SELECT EXISTS (
  SELECT FROM billing.corrections WHERE subject_id = $1 AND state IN ('PENDING', 'SENDING')
)
"""

LOCK: Final = "SELECT state = 'SENDING' FROM billing.corrections WHERE id = $1 FOR UPDATE"

BEGIN: Final = """
UPDATE billing.corrections SET state = 'SENDING', attempts = attempts + 1
WHERE id = $1 AND state IN ('PENDING', 'SENDING')
"""

APPLY: Final = """
UPDATE billing.corrections SET
  state = $2, report_id = $3, stripe_invoice_id = $4, stripe_credit_note_id = $5, amount = $6,
  error = $7, applied_at = CASE WHEN $2 = 'APPLIED' THEN clock_timestamp() END
WHERE id = $1 AND state = 'SENDING'
"""

CANCEL_REPORT: Final = """
UPDATE billing.meter_reports SET state = 'CANCELLED' WHERE id = $1 AND state = 'REPORTED'
"""

# The replacement counts where the report that was taken back counted.
REPLACE_REPORT: Final = """
INSERT INTO billing.meter_reports (
  id, identifier, account_id, subject_id, stripe_customer_id, quantity, meter_timestamp,
  period_start, first_seq, last_seq, head
)
SELECT
  $2, $3, account_id, subject_id, stripe_customer_id, quantity - $4, meter_timestamp, period_start,
  first_seq, last_seq, head
FROM billing.meter_reports WHERE id = $1 AND quantity > $4
RETURNING id
"""

FIND_INVOICED: Final = """
SELECT
  i.stripe_invoice_id, l.line_id, i.status = 'paid' AS is_paid, l.quantity, p.unit_amount, (
    SELECT coalesce(-sum(c.quantity), 0)::bigint FROM billing.corrections c
    WHERE c.stripe_invoice_id = i.stripe_invoice_id AND c.state = 'APPLIED'
      AND c.means = 'credit_note'
  ) AS credited
FROM billing.meter_reports r
JOIN billing.invoices i ON i.account_id = r.account_id AND i.finalized_at IS NOT NULL
JOIN billing.invoice_lines l ON l.stripe_invoice_id = i.stripe_invoice_id AND l.is_metered
JOIN billing.prices p ON p.stripe_price_id = l.price_id
WHERE r.id = $1 AND l.period_start <= r.meter_timestamp AND r.meter_timestamp < l.period_end
ORDER BY i.created_at LIMIT 1
"""
