"""Explains an invoice to an operator: what each line charges, and which usage lies behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from msaas.billing.domain.money import price_units

MINUTE: Final = "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineUsage:
    """`events` are completed jobs, `corrected` those taken back before the invoice was final."""

    line_id: str
    description: str | None
    amount: int
    quantity: int
    unit_amount: Decimal
    is_metered: bool
    reports: int
    reported: int
    events: int
    corrected: int

    @property
    def is_explained(self) -> bool:
        """Return whether the usage behind a metered line is exactly what it charges."""
        if not self.is_metered:
            return True
        return (
            self.quantity == self.reported == self.events - self.corrected
            and price_units(self.unit_amount, self.quantity) == self.amount
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofState:
    subject_id: UUID
    first_seq: int
    last_seq: int
    head: str
    written_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    invoice: Mapping[str, Any]
    lines: Sequence[LineUsage]
    proofs: Sequence[ProofState]
    credits: Sequence[Mapping[str, Any]]

    @property
    def is_explained(self) -> bool:
        return all(line.is_explained for line in self.lines)


def describe(found: Explanation) -> list[str]:
    """Return lines of text, without anything that names a person."""
    invoice = found.invoice
    start, end = invoice["period_start"], invoice["period_end"]
    charge = f"{invoice['status']}, total {invoice['total']} {invoice['currency']}"
    lines = [
        f"{invoice['stripe_invoice_id']} {charge}, {start:{MINUTE}} to {end:{MINUTE}} UTC",
        *map(_describe_line, found.lines),
        *map(_describe_proof, found.proofs),
    ]
    lines += [
        f"  credited later: {each['quantity']} of job {each['job_id']}, amount {each['amount']}"
        for each in found.credits
    ]
    return [*lines, "explained" if found.is_explained else "NOT EXPLAINED: see the lines marked !"]


def _describe_proof(proof: ProofState) -> str:
    written = proof.written_at
    where = f"at Stripe since {written:{MINUTE}} UTC" if written else "not at Stripe yet"
    entries = f"entries {proof.first_seq} to {proof.last_seq}, head {proof.head}"
    return f"  proof of {proof.subject_id}: {entries}, {where}"


def _describe_line(line: LineUsage) -> str:
    mark = " " if line.is_explained else "!"
    if not line.is_metered:
        return f"{mark} {line.line_id}: {line.amount}, {line.description or 'no description'}"
    return (
        f"{mark} {line.line_id}: {line.amount} = {line.quantity} x {line.unit_amount}; "
        f"{line.reports} reports of {line.reported}, {line.events} jobs, {line.corrected} corrected"
    )
