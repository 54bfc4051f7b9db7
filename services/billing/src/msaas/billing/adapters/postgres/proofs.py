"""Proofs of invoices in Postgres, and the entries of usage that they are about."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from msaas.billing.domain.proofs import ChainEntry, InvoiceToProve, ProvableLine, SignedProof
from msaas.postgres import Database

PAGE_SIZE: Final = 5_000

_LIST_DUE: Final = """
SELECT stripe_invoice_id FROM billing.invoices WHERE prove_at <= now() ORDER BY prove_at LIMIT $1
"""
_LIST_LINES: Final = """
SELECT l.line_id, coalesce(l.quantity, 0)::bigint AS quantity, l.amount,
  coalesce(p.unit_amount, l.unit_amount)::text AS unit_amount
FROM billing.invoice_lines l LEFT JOIN billing.prices p ON p.stripe_price_id = l.price_id
WHERE l.stripe_invoice_id = $1 AND l.is_metered ORDER BY l.period_start, l.line_id
"""
_LIST_PROOFS: Final = """
SELECT
  subject_id, first_seq, last_seq, quantity, encode(head_before, 'hex') AS head_before,
  encode(head_after, 'hex') AS head_after, key_id, statement, signature
FROM billing.invoice_proofs WHERE stripe_invoice_id = $1 ORDER BY subject_id
"""

# What the invoice charges: the meter has it within the time of a metered line, and a correction
# that came before the invoice took nothing of it back.
CHARGED_REPORTS: Final = """
charged AS (
  SELECT r.id, r.subject_id, r.first_seq, r.last_seq
  FROM billing.meter_reports r
  JOIN billing.invoices i ON i.account_id = r.account_id
  JOIN billing.invoice_lines l ON l.stripe_invoice_id = i.stripe_invoice_id AND l.is_metered
    AND r.meter_timestamp >= l.period_start AND r.meter_timestamp < l.period_end
  WHERE i.stripe_invoice_id = $1 AND r.state IN ('REPORTED', 'CANCELLED')
)
"""
_LIST_SUBJECTS: Final = f"""
WITH {CHARGED_REPORTS} SELECT DISTINCT subject_id FROM charged ORDER BY subject_id
"""  # noqa: S608  # fixed names

# A proof goes on where the last one of the subject has ended, so that the proofs join.
_FIND_RANGE: Final = f"""
WITH {CHARGED_REPORTS}
SELECT
  least(min(c.first_seq), (
    SELECT max(p.last_seq) + 1 FROM billing.invoice_proofs p
    WHERE p.subject_id = $2 AND p.stripe_invoice_id <> $1
  )) AS first_seq,
  max(c.last_seq) AS last_seq
FROM charged c WHERE c.subject_id = $2
"""  # noqa: S608  # fixed names
_LIST_ENTRIES: Final = f"""
WITH {CHARGED_REPORTS}
SELECT
  e.seq, e.quantity, encode(e.prev_hash, 'hex') AS prev_hash, encode(e.hash, 'hex') AS hash,
  c.id IS NOT NULL AND NOT EXISTS (
    SELECT FROM billing.corrections k
    WHERE k.job_id = e.job_id AND k.means = 'meter_adjustment' AND k.state = 'APPLIED'
  ) AS charged
FROM billing.usage_events e LEFT JOIN charged c ON c.id = e.report_id
WHERE e.subject_id = $2 AND e.seq >= $3 AND e.seq <= $4 ORDER BY e.seq LIMIT $5
"""  # noqa: S608  # fixed names
_STORE: Final = """
INSERT INTO billing.invoice_proofs (
  stripe_invoice_id, subject_id, first_seq, last_seq, quantity, head_before, head_after, key_id,
  statement, signature
)
SELECT $1, $2, $3, $4, $5, decode($6, 'hex'), decode($7, 'hex'), $8, $9, $10
ON CONFLICT DO NOTHING
"""
_LOCK: Final = "SELECT FROM billing.invoices WHERE stripe_invoice_id = $1 FOR NO KEY UPDATE"
_IS_PROVED: Final = (
    "SELECT EXISTS (SELECT FROM billing.invoice_proofs WHERE stripe_invoice_id = $1)"
)
_MARK_WRITTEN: Final = """
UPDATE billing.invoice_proofs SET metadata_written_at = clock_timestamp()
WHERE stripe_invoice_id = $1 AND metadata_written_at IS NULL
"""
_FINISH: Final = "UPDATE billing.invoices SET prove_at = NULL WHERE stripe_invoice_id = $1"
_POSTPONE: Final = """
UPDATE billing.invoices SET prove_at = clock_timestamp() + $2::interval
WHERE stripe_invoice_id = $1 AND prove_at IS NOT NULL
"""


class PostgresProofs:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_due(self, limit: int) -> Sequence[str]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LIST_DUE, limit)
        return [row["stripe_invoice_id"] for row in rows]

    async def find(self, invoice_id: str) -> InvoiceToProve | None:
        async with self._database.connection() as connection:
            is_open = await connection.fetchval(
                "SELECT prove_at IS NOT NULL FROM billing.invoices WHERE stripe_invoice_id = $1",
                invoice_id,
            )
            if not is_open:
                return None
            lines = await connection.fetch(_LIST_LINES, invoice_id)
            proofs = await connection.fetch(_LIST_PROOFS, invoice_id)
        return InvoiceToProve(
            id=invoice_id, lines=read_lines(lines), proofs=[_read_proof(row) for row in proofs]
        )

    async def list_subjects(self, invoice_id: str) -> Sequence[UUID]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LIST_SUBJECTS, invoice_id)
        return [row["subject_id"] for row in rows]

    async def read_entries(
        self, invoice_id: str, subject_id: UUID
    ) -> AsyncIterator[Sequence[ChainEntry]]:
        async with self._database.connection() as connection:
            [found] = await connection.fetch(_FIND_RANGE, invoice_id, subject_id)
        seq, last_seq = found["first_seq"], found["last_seq"]
        while seq <= last_seq:
            async with self._database.connection() as connection:
                rows = await connection.fetch(
                    _LIST_ENTRIES, *(invoice_id, subject_id, seq, last_seq, PAGE_SIZE)
                )
            if not rows:
                return
            yield [ChainEntry(**row) for row in map(dict, rows)]
            seq = rows[-1]["seq"] + 1

    async def store(self, invoice_id: str, proofs: Sequence[SignedProof]) -> None:
        async with self._database.transaction(lock_timeout=5.0) as connection:
            await connection.execute(_LOCK, invoice_id)
            if await connection.fetchval(_IS_PROVED, invoice_id):
                return
            for proof in proofs:
                await connection.execute(
                    _STORE,
                    invoice_id,
                    proof.subject_id,
                    proof.first_seq,
                    proof.last_seq,
                    proof.quantity,
                    proof.head_before,
                    proof.head_after,
                    proof.key_id,
                    proof.statement,
                    proof.signature,
                )

    async def finish(self, invoice_id: str) -> None:
        async with self._database.transaction(lock_timeout=5.0) as connection:
            await connection.execute(_MARK_WRITTEN, invoice_id)
            await connection.execute(_FINISH, invoice_id)

    async def postpone(self, invoice_id: str, delay: timedelta) -> None:
        async with self._database.connection() as connection:
            await connection.execute(_POSTPONE, invoice_id, delay)


def read_lines(rows: Sequence[Any]) -> list[ProvableLine]:
    return [
        ProvableLine(
            id=row["line_id"],
            quantity=row["quantity"],
            unit_amount=row["unit_amount"] or "0",
            amount=row["amount"],
        )
        for row in rows
    ]


def _read_proof(row: Any) -> SignedProof:
    return SignedProof(**{name: row[name] for name in SignedProof.__dataclass_fields__})
