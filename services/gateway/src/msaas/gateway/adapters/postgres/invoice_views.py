"""Reads billing's views of invoices with the permissions of the user."""

from collections.abc import AsyncIterator, Sequence
from typing import Final
from uuid import UUID

from msaas.gateway.application.ports import Row
from msaas.postgres import Database

LINKS_PAGE: Final = 5_000

_INVOICE: Final = """
stripe_invoice_id AS id, number, status, currency, total, amount_due, amount_paid,
amount_remaining, billing_reason, next_payment_attempt, period_start, period_end, finalized_at,
paid_at, hosted_invoice_url, created_at, EXISTS (
  SELECT FROM api_v1.invoice_proofs p
  WHERE p.stripe_invoice_id = i.stripe_invoice_id AND p.metadata_written_at IS NOT NULL
) AS has_proof
"""
_LIST: Final = f"""
SELECT {_INVOICE} FROM api_v1.invoices i
WHERE $1::text IS NULL OR (i.created_at, i.stripe_invoice_id) < (
  SELECT created_at, stripe_invoice_id FROM api_v1.invoices WHERE stripe_invoice_id = $1
)
ORDER BY i.created_at DESC, i.stripe_invoice_id DESC LIMIT $2
"""  # noqa: S608  # fixed column names
_FIND: Final = f"SELECT {_INVOICE} FROM api_v1.invoices i WHERE stripe_invoice_id = $1"  # noqa: S608  # see above
_LIST_LINES: Final = """
SELECT line_id AS id, description, amount, quantity::bigint AS quantity, unit_amount, is_metered,
  is_proration, period_start, period_end
FROM api_v1.invoice_lines WHERE stripe_invoice_id = $1 ORDER BY period_start, line_id
"""

# What billing reported within the time of a metered line, without what it took back before.
_LIST_JOBS: Final = """
SELECT l.line_id, e.job_id, e.quantity, e.occurred_at, e.seq
FROM api_v1.invoice_lines l
JOIN api_v1.usage_reports r
  ON r.meter_timestamp >= l.period_start AND r.meter_timestamp < l.period_end
  AND r.state IN ('REPORTED', 'CANCELLED')
JOIN api_v1.usage_links e ON e.report_id = r.id
WHERE l.stripe_invoice_id = $1 AND l.is_metered AND ($2::uuid IS NULL OR e.job_id > $2)
  AND NOT EXISTS (
    SELECT FROM api_v1.usage_corrections c
    WHERE c.job_id = e.job_id AND c.means = 'meter_adjustment' AND c.state = 'APPLIED'
  )
ORDER BY e.job_id LIMIT $3
"""
_LIST_PROOFS: Final = """
SELECT subject_id, first_seq, last_seq, statement, encode(signature, 'hex') AS signature
FROM api_v1.invoice_proofs WHERE stripe_invoice_id = $1 AND metadata_written_at IS NOT NULL
ORDER BY subject_id
"""
_LIST_LINKS: Final = """
SELECT seq, json_build_array(
  seq, job_id, quantity, to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  encode(hash, 'hex')
)::text AS link
FROM api_v1.usage_links WHERE subject_id = $1 AND seq >= $2 AND seq <= $3 ORDER BY seq LIMIT $4
"""


class PostgresInvoiceViews:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_invoices(self, user_id: UUID, after: str | None, limit: int) -> Sequence[Row]:
        async with self._database.read_as(user_id) as connection:
            return [dict(row) for row in await connection.fetch(_LIST, after, limit)]

    async def find_invoice(self, user_id: UUID, invoice_id: str) -> Row | None:
        async with self._database.read_as(user_id) as connection:
            row = await connection.fetchrow(_FIND, invoice_id)
            if row is None:
                return None
            lines = await connection.fetch(_LIST_LINES, invoice_id)
        return {**row, "lines": [dict(line) for line in lines]}

    async def list_jobs(
        self, user_id: UUID, invoice_id: str, after: UUID | None, limit: int
    ) -> Sequence[Row]:
        async with self._database.read_as(user_id) as connection:
            rows = await connection.fetch(_LIST_JOBS, invoice_id, after, limit)
        return [dict(row) for row in rows]

    async def list_proofs(self, user_id: UUID, invoice_id: str) -> Sequence[Row]:
        async with self._database.read_as(user_id) as connection:
            return [dict(row) for row in await connection.fetch(_LIST_PROOFS, invoice_id)]

    async def read_links(self, user_id: UUID, proof: Row) -> AsyncIterator[Sequence[str]]:
        seq = proof["first_seq"]
        while seq <= proof["last_seq"]:
            async with self._database.read_as(user_id) as connection:
                span = (proof["subject_id"], seq, proof["last_seq"], LINKS_PAGE)
                rows = await connection.fetch(_LIST_LINKS, *span)
            if not rows:
                return
            yield [row["link"] for row in rows]
            seq = rows[-1]["seq"] + 1
