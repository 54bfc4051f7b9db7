"""What proves an invoice: a signed statement about the entries of a usage chain."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

VERSION: Final = 1
FINGERPRINT_LENGTH: Final = 8
"""Hexadecimal digits of each entry's hash, so that a row is named although all that follow it were
hashed again; that the chain is the signed one rests on the whole last hash.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvableLine:
    """A metered line of an invoice, as it was charged."""

    id: str
    quantity: int
    unit_amount: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainEntry:
    """`charged`: whether the invoice charges it."""

    seq: int
    quantity: int
    prev_hash: str
    hash: str
    charged: bool


@dataclass(slots=True, kw_only=True)
class ChainSection:
    """Consecutive entries of a subject, read a page after the other."""

    subject_id: UUID
    first_seq: int = 0
    last_seq: int = 0
    head_before: str = ""
    head_after: str = ""
    quantity: int = 0
    is_complete: bool = True
    fingerprints: list[str] = field(default_factory=list[str])
    uncharged: list[list[int]] = field(default_factory=list[list[int]])

    def add(self, entries: Iterable[ChainEntry]) -> None:
        for entry in entries:
            if not self.fingerprints:
                self.first_seq, self.head_before = entry.seq, entry.prev_hash
            elif entry.seq != self.last_seq + 1 or entry.prev_hash != self.head_after:
                self.is_complete = False
            self.last_seq, self.head_after = entry.seq, entry.hash
            self.fingerprints.append(entry.hash[:FINGERPRINT_LENGTH])
            if entry.charged:
                self.quantity += entry.quantity
            else:
                self._skip(entry.seq)

    def _skip(self, seq: int) -> None:
        if self.uncharged and self.uncharged[-1][1] == seq - 1:
            self.uncharged[-1][1] = seq
        else:
            self.uncharged.append([seq, seq])


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedProof:
    """`statement` is kept as the text that was signed."""

    subject_id: UUID
    first_seq: int
    last_seq: int
    quantity: int
    head_before: str
    head_after: str
    key_id: str
    statement: str
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceToProve:
    """`proofs` are there once the invoice was signed; then only Stripe's copy is missing."""

    id: str
    lines: Sequence[ProvableLine]
    proofs: Sequence[SignedProof]

    @property
    def quantity(self) -> int:
        return sum(line.quantity for line in self.lines)


def build_statement(
    invoice: InvoiceToProve, section: ChainSection, key_id: str, public_key: str
) -> str:
    """Return the text that is signed: what does not follow from the entries themselves."""
    statement: Mapping[str, Any] = {
        "version": VERSION,
        "invoice": invoice.id,
        "lines": [
            [line.id, line.quantity, line.unit_amount, line.amount] for line in invoice.lines
        ],
        "subject": str(section.subject_id),
        "first_seq": section.first_seq,
        "last_seq": section.last_seq,
        "head_before": section.head_before,
        "head_after": section.head_after,
        "quantity": section.quantity,
        "uncharged": section.uncharged,
        "fingerprints": "".join(section.fingerprints),
        "key_id": key_id,
        "public_key": public_key,
    }
    return json.dumps(statement, sort_keys=True, separators=(",", ":"))


def build_metadata(proofs: Iterable[SignedProof]) -> dict[str, str]:
    """Return what the invoice's metadata at Stripe holds: for each subject how far, and its head.

    A key has at most 40 characters there.
    """
    return {
        f"usage_{proof.subject_id.hex}": f"{proof.last_seq}:{proof.head_after}" for proof in proofs
    }
