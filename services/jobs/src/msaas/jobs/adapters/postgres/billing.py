"""The transaction of billing events: subjects locked in order, then one statement a table."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

import orjson

from msaas.contracts import AccountFrame, Plan
from msaas.jobs.adapters.postgres import billing_sql as sql
from msaas.jobs.adapters.postgres.accounts import (
    create_missing_accounts,
    read_counters,
    read_subject,
)
from msaas.jobs.adapters.postgres.rows import Row, fetch_rows, read_entry
from msaas.jobs.application.billing_ports import BillingLockRequest, LedgerBatch
from msaas.jobs.application.events import AccountSnapshot
from msaas.jobs.domain.ledgers import Ledger, LedgerEntry, LinkedEntry
from msaas.jobs.domain.subjects import BillingSubject, UsageCounter
from msaas.kernel import new_id
from msaas.postgres import DatabaseConnection


class PostgresBilling:
    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection

    async def lock(self, request: BillingLockRequest) -> LedgerBatch:
        await create_missing_accounts(self._connection, dict.fromkeys(request.users, Plan.FREE))
        fetch = self._connection.fetch
        rows = await fetch(sql.LOCK_SUBJECTS, list(request.users), list(request.subjects))
        periods = zip(*request.periods, strict=True) if request.periods else ((), ())
        ids = [row["subject_id"] for row in rows]
        counters = read_counters(await fetch(sql.FIND_COUNTERS, ids, *periods))
        entries = await fetch(sql.FIND_ENTRIES, list(request.keys))
        # Later than any transaction that held these rows before.
        now: datetime = await self._connection.fetchval("SELECT clock_timestamp()")
        ledgers = [
            Ledger(
                subject=read_subject(row),
                counters={c.period.start: c for c in counters.get(row["subject_id"], ())},
                last_seq=row["last_seq"],
                head=row["head"].hex(),
            )
            for row in rows
        ]
        return LedgerBatch(
            now=now,
            by_subject={ledger.id: ledger for ledger in ledgers},
            by_user={ledger.subject.user_id: ledger for ledger in ledgers},
            entries_by_key={row["stripe_event_id"]: read_entry(row) for row in entries},
        )

    async def store(self, ledgers: LedgerBatch) -> Mapping[UUID, AccountSnapshot]:
        changed = [ledger for ledger in ledgers.by_subject.values() if ledger.changed_periods]
        subjects = (_subject_row(ledger.subject) for ledger in changed)
        await fetch_rows(self._connection, sql.CHANGE_SUBJECTS, subjects)
        await self._move_periods(changed)
        corrections = (
            (ledger.id, start, quantity)
            for ledger in ledgers.by_subject.values()
            for start, quantity in ledger.corrections.items()
        )
        await fetch_rows(self._connection, sql.CORRECT_COUNTERS, corrections)
        entries = (
            _entry_row(ledgers.by_subject[linked.subject_id], entry, linked)
            for entry, linked in ledgers.new_entries
        )
        await fetch_rows(self._connection, sql.INSERT_ENTRIES, entries)
        return await self._find_accounts(ledgers.affected)

    async def _move_periods(self, changed: Iterable[Ledger]) -> None:
        moved = [
            (ledger, ledger.counters[start])
            for ledger in changed
            for start in ledger.changed_periods
        ]
        ends = [(ledger.id, *counter.period) for ledger, counter in moved]
        await fetch_rows(self._connection, sql.CLOSE_PERIODS, ends)
        opened = (_period_row(ledger, counter) for ledger, counter in moved)
        await fetch_rows(self._connection, sql.OPEN_PERIODS, opened)

    async def _find_accounts(self, affected: Iterable[UUID]) -> Mapping[UUID, AccountSnapshot]:
        rows = await self._connection.fetch(sql.FIND_ACCOUNTS, list(affected))
        return {
            row["subject_id"]: AccountSnapshot(
                user_id=row["user_id"],
                version=row["version"],
                account=AccountFrame(
                    plan=Plan(row["plan"]),
                    jobs_limit=row["jobs_limit"],
                    jobs_used=row["jobs_used"],
                    jobs_reserved=row["jobs_reserved"],
                    period_start=row["period_start"],
                    period_end=row["period_end"],
                ),
            )
            for row in rows
        }


def _subject_row(subject: BillingSubject) -> Row:
    return (
        subject.subject_id,
        subject.plan,
        subject.plan_version,
        subject.next_plan,
        orjson.dumps(dict(subject.terms)).decode(),
        *subject.period,
        subject.paid_until,
    )


def _period_row(ledger: Ledger, counter: UsageCounter) -> Row:
    subject = ledger.subject
    return (
        new_id(),
        subject.user_id,
        subject.subject_id,
        counter.plan,
        *counter.period,
        counter.quota.limit,
    )


def _entry_row(ledger: Ledger, entry: LedgerEntry, linked: LinkedEntry) -> Row:
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
