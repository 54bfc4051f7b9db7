"""The record as billing's facts change it: subjects locked in order, then one write a set."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from msaas.contracts import AccountFrame, Plan
from msaas.jobs.adapters.postgres import billing_sql as sql
from msaas.jobs.adapters.postgres.billing_rows import (
    Row,
    entry_row,
    period_row,
    read_entry,
    subject_row,
)
from msaas.jobs.adapters.postgres.missing_accounts import create_missing_accounts
from msaas.jobs.adapters.postgres.subject_rows import read_counters, read_subject
from msaas.jobs.application.billing_ports import AccountSnapshot, BillingLockRequest, LedgerBatch
from msaas.jobs.domain.ledgers import Ledger
from msaas.postgres import Database, DatabaseConnection


class PostgresBilling:
    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator["PostgresBillingTransaction"]:
        async with self._database.transaction() as connection:
            yield PostgresBillingTransaction(connection)


class PostgresBillingTransaction:
    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection

    async def lock(self, request: BillingLockRequest) -> LedgerBatch:
        await create_missing_accounts(self._connection, dict.fromkeys(request.users, Plan.FREE))
        fetch = self._connection.fetch
        rows = await fetch(sql.LOCK_SUBJECTS, list(request.users), list(request.subjects))
        periods = zip(*request.periods, strict=True) if request.periods else ((), ())
        ids = [row["subject_id"] for row in rows]
        counters = read_counters(await fetch(sql.FIND_COUNTERS, ids, *periods))
        notes = await fetch(sql.FIND_ENTRIES, list(request.keys))
        # Later than what anybody did who held these rows before.
        now: datetime = await self._connection.fetchval("SELECT clock_timestamp()")
        ledgers = [
            Ledger(
                subject=read_subject(row),
                counters={one.period.start: one for one in counters.get(row["subject_id"], ())},
                last_seq=row["last_seq"],
                head=row["head"].hex(),
            )
            for row in rows
        ]
        return LedgerBatch(
            now=now,
            by_subject={one.id: one for one in ledgers},
            by_user={one.subject.user_id: one for one in ledgers},
            entries_by_key={row["stripe_event_id"]: read_entry(row) for row in notes},
        )

    async def store(self, ledgers: LedgerBatch) -> Mapping[UUID, AccountSnapshot]:
        changed = [one for one in ledgers.by_subject.values() if one.changed_periods]
        await self._execute(sql.CHANGE_SUBJECTS, (subject_row(one.subject) for one in changed))
        await self._move_periods(changed)
        corrections = (
            (one.id, start, quantity)
            for one in ledgers.by_subject.values()
            for start, quantity in one.corrections.items()
        )
        await self._execute(sql.CORRECT_COUNTERS, corrections)
        entries = (
            entry_row(ledgers.by_subject[note.subject_id], remark, note)
            for remark, note in ledgers.new_entries
        )
        await self._execute(sql.INSERT_ENTRIES, entries)
        return await self._find_accounts(ledgers.affected)

    async def _move_periods(self, changed: Iterable[Ledger]) -> None:
        moved = [(one, one.counters[start]) for one in changed for start in one.changed_periods]
        ends = [(one.id, *counter.period) for one, counter in moved]
        await self._execute(sql.CLOSE_PERIODS, ends)
        await self._execute(sql.OPEN_PERIODS, (period_row(*pair) for pair in moved))

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

    async def _execute(self, statement: str, rows: Iterable[Row]) -> None:
        if columns := list(zip(*rows, strict=True)):
            await self._connection.execute(statement, *columns)
