"""Links in the chain of usage that charge nothing: a plan changed, a report, a correction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from msaas.contracts import usage_hash

NO_JOB: Final = UUID(int=0)


class LedgerEntryKind(StrEnum):
    PLAN_CHANGED = "plan_changed"
    USAGE_REPORTED = "stripe_usage_reported"
    ADJUSTED = "reconciliation_adjustment"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """What is to be noted; `key` is noted once for ever."""

    kind: LedgerEntryKind
    key: str
    quantity: int = 0
    period_start: datetime
    details: Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedEntry:
    """A remark in its place in the chain."""

    subject_id: UUID
    seq: int
    kind: LedgerEntryKind
    quantity: int
    period_start: datetime
    occurred_at: datetime
    prev_hash: str
    hash: str


def link_entry(
    subject_id: UUID, seq: int, head: str, entry: LedgerEntry, at: datetime
) -> LinkedEntry:
    """Link a remark to the head of its subject's chain, as the one at `seq`."""
    return LinkedEntry(
        subject_id=subject_id,
        seq=seq,
        kind=entry.kind,
        quantity=entry.quantity,
        period_start=entry.period_start,
        occurred_at=at,
        prev_hash=head,
        hash=usage_hash(subject_id, seq, NO_JOB, entry.quantity, at, head),
    )
