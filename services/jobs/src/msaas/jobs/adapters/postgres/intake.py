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
    rejected_row,
)
from msaas.jobs.adapters.postgres.missing_accounts import create_missing_accounts
from msaas.jobs.adapters.postgres.snapshot_rows import read_snapshot
from msaas.jobs.adapters.postgres.subject_rows import read_counters, read_subject
from msaas.jobs.adapters.postgres.waking_sql import WAKE
from msaas.jobs.application.command_batch import CommandBatch, LockRequest
from msaas.jobs.application.snapshots import JobSnapshot
from msaas.jobs.domain.accounts import Account
from msaas.kernel import new_id
from msaas.postgres import Database, DatabaseConnection, TransactionConflict


class PostgresIntake:
    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator["PostgresIntakeTransaction"]:
        async with self._database.transaction() as connection:
            yield PostgresIntakeTransaction(connection)


class PostgresIntakeTransaction:
    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection

    async def lock(self, request: LockRequest) -> CommandBatch:
        await create_missing_accounts(self._connection, request.plans)
        rows = await self._connection.fetch(sql.LOCK_SUBJECTS, list(request.users))
        subjects = [read_subject(row) for row in rows]
        ids = [subject.subject_id for subject in subjects]
        # Read once the locks are held: what the locking statement joins may be older than they are.
        counters = read_counters(await self._connection.fetch(sql.FIND_COUNTERS, ids))
        now: datetime = await self._connection.fetchval("SELECT now()")
        accounts = {
            one.user_id: Account.open(one, counters.get(one.subject_id, ()), now)
            for one in subjects
        }
        return await self._load_jobs(
            CommandBatch(now=now, accounts=accounts, jobs={}, keys={}), request
        )

    async def store(self, batch: CommandBatch) -> Sequence[JobSnapshot]:
        await self._open_periods(batch)
        snapshots = await self._insert(batch)
        snapshots += await self._insert_rejected(batch)
        await self._reserve(batch)
        changed = [
            await self._retry(batch),
            await self._finish(batch),
            await self._request_stop(batch),
        ]
        await self._wake(batch)
        return [*snapshots, *chain.from_iterable(changed)]

    async def _load_jobs(self, batch: CommandBatch, request: LockRequest) -> CommandBatch:
        rows: list[Record] = []
        if request.to_change:
            jobs, users = zip(*request.to_change, strict=True)
            rows += await self._connection.fetch(sql.LOCK_JOBS, jobs, users)
        if request.jobs:
            columns = zip(*request.keys, strict=True) if request.keys else ((), (), ())
            rows += await self._connection.fetch(sql.FIND_JOBS, list(request.jobs), *columns)
        for row in rows:
            job = batch.jobs.setdefault(row["id"], read_job(row))
            if key := read_key(row):
                batch.keys[key] = job
        return batch

    async def _open_periods(self, batch: CommandBatch) -> None:
        opened = [one for one in batch.accounts.values() if one.is_new and one.reservation_changes]
        if not opened:
            return
        columns = zip(*map(_counter_row, opened), strict=True)
        await self._connection.execute(sql.OPEN_PERIODS, *columns)

    async def _insert(self, batch: CommandBatch) -> list[JobSnapshot]:
        if not batch.submitted:
            return []
        new = sorted(batch.submitted, key=lambda one: one.command.job_id)
        rows = await self._connection.fetch(sql.INSERT_JOBS, *job_columns(new))
        if len(rows) < len(new):
            # Another user's command took the id in this moment: judge again, knowing that.
            raise TransactionConflict(reason="job id in use")
        return [read_snapshot(row) for row in rows]

    async def _insert_rejected(self, batch: CommandBatch) -> list[JobSnapshot]:
        if not batch.rejected:
            return []
        columns = zip(*map(rejected_row, batch.rejected), strict=True)
        rows = await self._connection.fetch(sql.INSERT_REJECTED, *columns)
        return [read_snapshot(row) for row in rows]

    async def _reserve(self, batch: CommandBatch) -> None:
        changes = [
            (account.subject.subject_id, period_start, change)
            for account in batch.accounts.values()
            for period_start, change in account.reservation_changes.items()
            if change
        ]
        if changes:
            await self._connection.execute(sql.RESERVE, *zip(*changes, strict=True))

    async def _retry(self, batch: CommandBatch) -> list[JobSnapshot]:
        if not batch.retried:
            return []
        retried = [(job.id, job.usage_period, job.last_retry) for job in batch.retried]
        rows = await self._connection.fetch(sql.RETRY, *zip(*retried, strict=True))
        return [read_snapshot(row) for row in rows]

    async def _finish(self, batch: CommandBatch) -> list[JobSnapshot]:
        rows: list[Record] = []
        for statement, ended in ((sql.CANCEL, batch.cancelled), (sql.EXPIRE, batch.expired)):
            if ended:
                rows += await self._connection.fetch(statement, [job.id for job in ended])
        runs = [(job.id, job.fence) for job in (*batch.cancelled, *batch.expired) if job.fence]
        if runs:
            await self._connection.execute(sql.CANCEL_ATTEMPTS, *zip(*runs, strict=True))
        return [read_snapshot(row) for row in rows]

    async def _wake(self, batch: CommandBatch) -> None:
        """Wake who was to be woken now, and who waited for nothing but what ended here."""
        ended = (*batch.cancelled, *batch.expired)
        waiting = batch.to_wake | {job.parent_id for job in ended if job.parent_id}
        if waiting:
            batch.woken_count = len(await self._connection.fetch(WAKE, list(waiting)))

    async def _request_stop(self, batch: CommandBatch) -> list[JobSnapshot]:
        if not batch.stop_requested:
            return []
        ids = [job.id for job in batch.stop_requested]
        return [read_snapshot(row) for row in await self._connection.fetch(sql.REQUEST_STOP, ids)]


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
