"""The record as intake needs it: what a batch touches is locked once and written in a few sets."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import chain

from asyncpg import Record

from msaas.jobs.adapters.postgres import intake_sql as sql
from msaas.jobs.adapters.postgres.intake_rows import (
    job_columns,
    read_job,
    read_key,
    refused_row,
)
from msaas.jobs.adapters.postgres.minting import mint_subjects
from msaas.jobs.adapters.postgres.snapshot_rows import read_snapshot
from msaas.jobs.adapters.postgres.subject_rows import read_counters, read_subject
from msaas.jobs.adapters.postgres.waking_sql import WAKE
from msaas.jobs.application.book import Book, Wanted
from msaas.jobs.application.snapshots import JobSnapshot
from msaas.jobs.domain.accounts import Account
from msaas.kernel import new_id
from msaas.postgres import Connection, Contended, Database


class PostgresIntake:
    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator["IntakeTransaction"]:
        async with self._database.transaction() as connection:
            yield IntakeTransaction(connection)


class IntakeTransaction:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock(self, wanted: Wanted) -> Book:
        await mint_subjects(self._connection, wanted.plans)
        rows = await self._connection.fetch(sql.LOCK_SUBJECTS, list(wanted.users))
        subjects = [read_subject(row) for row in rows]
        ids = [subject.subject_id for subject in subjects]
        # Read once the locks are held: what the locking statement joins may be older than they are.
        counted = read_counters(await self._connection.fetch(sql.LATE_COUNTERS, ids))
        now: datetime = await self._connection.fetchval("SELECT now()")
        accounts = {
            one.user_id: Account.open(one, counted.get(one.subject_id, ()), now) for one in subjects
        }
        return await self._look_up(Book(now=now, accounts=accounts, jobs={}, keys={}), wanted)

    async def store(self, book: Book) -> Sequence[JobSnapshot]:
        await self._open_periods(book)
        snapshots = await self._insert(book)
        snapshots += await self._insert_refused(book)
        await self._reserve(book)
        changed = [await self._retry(book), await self._end(book), await self._ask_to_stop(book)]
        await self._wake(book)
        return [*snapshots, *chain.from_iterable(changed)]

    async def _look_up(self, book: Book, wanted: Wanted) -> Book:
        rows: list[Record] = []
        if wanted.to_change:
            jobs, users = zip(*wanted.to_change, strict=True)
            rows += await self._connection.fetch(sql.LOCK_JOBS, jobs, users)
        if wanted.jobs:
            columns = zip(*wanted.keys, strict=True) if wanted.keys else ((), (), ())
            rows += await self._connection.fetch(sql.FIND_JOBS, list(wanted.jobs), *columns)
        for row in rows:
            job = book.jobs.setdefault(row["id"], read_job(row))
            if key := read_key(row):
                book.keys[key] = job
        return book

    async def _open_periods(self, book: Book) -> None:
        opened = [one for one in book.accounts.values() if one.is_new and one.reserved]
        if not opened:
            return
        columns = zip(*map(_counter_row, opened), strict=True)
        await self._connection.execute(sql.OPEN_PERIODS, *columns)

    async def _insert(self, book: Book) -> list[JobSnapshot]:
        if not book.submitted:
            return []
        new = sorted(book.submitted, key=lambda one: one.command.job_id)
        rows = await self._connection.fetch(sql.INSERT_JOBS, *job_columns(new))
        if len(rows) < len(new):
            # Another user's command took the id in this moment: judge again, knowing that.
            raise Contended(reason="job id taken")
        return [read_snapshot(row) for row in rows]

    async def _insert_refused(self, book: Book) -> list[JobSnapshot]:
        if not book.refused:
            return []
        columns = zip(*map(refused_row, book.refused), strict=True)
        rows = await self._connection.fetch(sql.INSERT_REFUSED, *columns)
        return [read_snapshot(row) for row in rows]

    async def _reserve(self, book: Book) -> None:
        changes = [
            (account.subject.subject_id, period_start, change)
            for account in book.accounts.values()
            for period_start, change in account.reserved.items()
            if change
        ]
        if changes:
            await self._connection.execute(sql.RESERVE, *zip(*changes, strict=True))

    async def _retry(self, book: Book) -> list[JobSnapshot]:
        if not book.retried:
            return []
        retried = [(job.id, job.usage_period, job.last_retry) for job in book.retried]
        rows = await self._connection.fetch(sql.RETRY, *zip(*retried, strict=True))
        return [read_snapshot(row) for row in rows]

    async def _end(self, book: Book) -> list[JobSnapshot]:
        rows: list[Record] = []
        for statement, ended in ((sql.CANCEL, book.cancelled), (sql.EXPIRE, book.overdue)):
            if ended:
                rows += await self._connection.fetch(statement, [job.id for job in ended])
        runs = [(job.id, job.fence) for job in (*book.cancelled, *book.overdue) if job.fence]
        if runs:
            await self._connection.execute(sql.END_ATTEMPTS, *zip(*runs, strict=True))
        return [read_snapshot(row) for row in rows]

    async def _wake(self, book: Book) -> None:
        """Wake who was to be woken now, and who waited for nothing but what ended here."""
        ended = (*book.cancelled, *book.overdue)
        waiting = book.waking | {job.parent_id for job in ended if job.parent_id}
        if waiting:
            book.woken = len(await self._connection.fetch(WAKE, list(waiting)))

    async def _ask_to_stop(self, book: Book) -> list[JobSnapshot]:
        if not book.asked_to_stop:
            return []
        ids = [job.id for job in book.asked_to_stop]
        return [read_snapshot(row) for row in await self._connection.fetch(sql.ASK_TO_STOP, ids)]


def _counter_row(account: Account) -> tuple[object, ...]:
    subject, period = account.subject, account.period
    return (
        new_id(),
        subject.user_id,
        subject.subject_id,
        subject.plan,
        period.start,
        period.end,
        account.quota.limit,
    )
