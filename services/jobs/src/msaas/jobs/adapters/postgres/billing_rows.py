"""Subjects, periods and notes as columns to write, and notes as they were written."""

import orjson
from asyncpg import Record

from msaas.jobs.domain.ledgers import Ledger
from msaas.jobs.domain.noting import NoteKind, Remark, UsageNote
from msaas.jobs.domain.subjects import Counted, Subject
from msaas.kernel import new_id

Row = tuple[object, ...]


def subject_row(subject: Subject) -> Row:
    return (
        subject.subject_id,
        subject.plan,
        subject.plan_version,
        subject.next_plan,
        orjson.dumps(dict(subject.terms)).decode(),
        *subject.period,
        subject.paid_until,
    )


def period_row(ledger: Ledger, counter: Counted) -> Row:
    subject = ledger.subject
    return (
        new_id(),
        subject.user_id,
        subject.subject_id,
        counter.plan,
        *counter.period,
        counter.quota.limit,
    )


def note_row(ledger: Ledger, remark: Remark, note: UsageNote) -> Row:
    return (
        note.subject_id,
        note.seq,
        ledger.subject.user_id,
        note.kind,
        note.quantity,
        note.period_start,
        remark.key,
        note.occurred_at,
        bytes.fromhex(note.prev_hash),
        bytes.fromhex(note.hash),
        orjson.dumps(dict(remark.details)).decode(),
    )


def read_note(row: Record) -> UsageNote:
    return UsageNote(
        subject_id=row["subject_id"],
        seq=row["seq"],
        kind=NoteKind(row["kind"]),
        quantity=row["quantity"],
        period_start=row["period_start"],
        occurred_at=row["occurred_at"],
        prev_hash=row["prev_hash"].hex(),
        hash=row["hash"].hex(),
    )
