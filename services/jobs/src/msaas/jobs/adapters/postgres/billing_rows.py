"""Subjects, periods and notes as columns to write, and notes as they were written."""

import orjson
from asyncpg import Record

from msaas.jobs.domain.ledger_entries import LedgerEntry, LedgerEntryKind, LinkedEntry
from msaas.jobs.domain.ledgers import Ledger
from msaas.jobs.domain.subjects import BillingSubject, UsageCounter
from msaas.kernel import new_id

Row = tuple[object, ...]


def subject_row(subject: BillingSubject) -> Row:
    return (
        subject.subject_id,
        subject.plan,
        subject.plan_version,
        subject.next_plan,
        orjson.dumps(dict(subject.terms)).decode(),
        *subject.period,
        subject.paid_until,
    )


def period_row(ledger: Ledger, counter: UsageCounter) -> Row:
    subject = ledger.subject
    return (
        new_id(),
        subject.user_id,
        subject.subject_id,
        counter.plan,
        *counter.period,
        counter.quota.limit,
    )


def entry_row(ledger: Ledger, entry: LedgerEntry, linked: LinkedEntry) -> Row:
    return (
        linked.subject_id,
        linked.seq,
        ledger.subject.user_id,
        linked.kind,
        linked.quantity,
        linked.period_start,
        entry.key,
        linked.occurred_at,
        bytes.fromhex(linked.prev_hash),
        bytes.fromhex(linked.hash),
        orjson.dumps(dict(entry.details)).decode(),
    )


def read_entry(row: Record) -> LinkedEntry:
    return LinkedEntry(
        subject_id=row["subject_id"],
        seq=row["seq"],
        kind=LedgerEntryKind(row["kind"]),
        quantity=row["quantity"],
        period_start=row["period_start"],
        occurred_at=row["occurred_at"],
        prev_hash=row["prev_hash"].hex(),
        hash=row["hash"].hex(),
    )
