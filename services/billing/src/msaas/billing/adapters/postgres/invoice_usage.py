"""Reads what lies behind an invoice from Postgres."""

from typing import Final

from msaas.billing.application.explain_invoice import Explanation, LineUsage, ProofState
from msaas.postgres import Database

_FIND: Final = """
SELECT stripe_invoice_id, status, total, currency, period_start, period_end
FROM billing.invoices WHERE stripe_invoice_id = $1
"""
_LIST_LINES: Final = """
SELECT
  l.line_id, l.description, l.amount, coalesce(l.quantity, 0)::bigint AS quantity, l.is_metered,
  coalesce(p.unit_amount, l.unit_amount, 0) AS unit_amount,
  coalesce(r.reports, 0)::bigint AS reports, coalesce(r.reported, 0)::bigint AS reported,
  coalesce(e.events, 0)::bigint AS events, coalesce(e.corrected, 0)::bigint AS corrected
FROM billing.invoice_lines l
JOIN billing.invoices i USING (stripe_invoice_id)
LEFT JOIN billing.prices p ON p.stripe_price_id = l.price_id
LEFT JOIN LATERAL (
  SELECT count(*) AS reports, sum(m.quantity) AS reported FROM billing.meter_reports m
  WHERE l.is_metered AND m.account_id = i.account_id AND m.state = 'REPORTED'
    AND m.meter_timestamp >= l.period_start AND m.meter_timestamp < l.period_end
) r ON true
LEFT JOIN LATERAL (
  SELECT sum(u.quantity) AS events, sum(u.quantity) FILTER (WHERE EXISTS (
    SELECT FROM billing.corrections k
    WHERE k.job_id = u.job_id AND k.means = 'meter_adjustment' AND k.state = 'APPLIED'
  )) AS corrected
  FROM billing.meter_reports m JOIN billing.usage_events u ON u.report_id = m.id
  WHERE l.is_metered AND m.account_id = i.account_id AND m.state IN ('REPORTED', 'CANCELLED')
    AND m.meter_timestamp >= l.period_start AND m.meter_timestamp < l.period_end
) e ON true
WHERE l.stripe_invoice_id = $1 ORDER BY l.period_start, l.line_id
"""
_LIST_PROOFS: Final = """
SELECT subject_id, first_seq, last_seq, encode(head_after, 'hex') AS head,
  metadata_written_at AS written_at
FROM billing.invoice_proofs WHERE stripe_invoice_id = $1 ORDER BY subject_id
"""
_LIST_CREDITS: Final = """
SELECT job_id, quantity, amount FROM billing.corrections
WHERE stripe_invoice_id = $1 AND means = 'credit_note' AND state = 'APPLIED' ORDER BY applied_at
"""


class PostgresInvoiceUsage:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, invoice_id: str) -> Explanation | None:
        async with self._database.connection() as connection:
            invoice = await connection.fetchrow(_FIND, invoice_id)
            if invoice is None:
                return None
            lines = await connection.fetch(_LIST_LINES, invoice_id)
            proofs = await connection.fetch(_LIST_PROOFS, invoice_id)
            notes = await connection.fetch(_LIST_CREDITS, invoice_id)
        return Explanation(
            invoice=dict(invoice),
            lines=[LineUsage(**dict(row)) for row in lines],
            proofs=[ProofState(**dict(row)) for row in proofs],
            credits=[dict(row) for row in notes],
        )
