"""The transaction of intake: what a batch needs is locked once, and written in a few statements."""

from collections.abc import Sequence
from datetime import datetime

import orjson
from asyncpg import Record

from msaas.contracts import JobStatus
from msaas.jobs.adapters.postgres import intake_sql as sql
from msaas.jobs.adapters.postgres.accounts import (
    create_missing_accounts,
    read_counters,
    read_subject,
)
from msaas.jobs.adapters.postgres.children import find_ended
from msaas.jobs.adapters.postgres.rows import WAKE, Row, fetch_rows, read_snapshot
from msaas.jobs.application.child_outcomes import WORKFLOWS
from msaas.jobs.application.command_batch import (
    CommandBatch,
    IdempotencyKey,
    LockedJob,
    LockRequest,
    RequestedJob,
)
from msaas.jobs.application.events import JobSnapshot
from msaas.jobs.domain.accounts import Account
from msaas.kernel import new_id
from msaas.postgres import DatabaseConnection, TransactionConflict


class PostgresIntake:
    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection

    async def lock(self, request: LockRequest) -> CommandBatch:
        await create_missing_accounts(self._connection, request.plans)
        rows = await self._connection.fetch(sql.LOCK_SUBJECTS, list(request.users))
        subjects = [read_subject(row) for row in rows]
        ids = [subject.subject_id for subject in subjects]
        # Read after the locks are held: rows joined by the locking statement may be older.
        counters = read_counters(await self._connection.fetch(sql.FIND_COUNTERS, ids))
        now: datetime = await self._connection.fetchval("SELECT now()")
        accounts = {
            subject.user_id: Account.open(subject, counters.get(subject.subject_id, ()), now)
            for subject in subjects
        }
        batch = CommandBatch(now=now, accounts=accounts, jobs={}, keys={})
        await self._load_jobs(batch, request)
        return batch

    async def store(self, batch: CommandBatch) -> Sequence[JobSnapshot]:
        await self._open_periods(batch)
        rows = await self._insert(batch)
        await self._reserve(batch)
        rows += await self._retry(batch)
        rows += await self._finish(batch)
        rows += await self._request_stop(batch)
        await self._wake(batch)
        await self._find_ended_children(batch)
        return [read_snapshot(row) for row in rows]

    async def _load_jobs(self, batch: CommandBatch, request: LockRequest) -> None:
        rows = await fetch_rows(self._connection, sql.LOCK_JOBS, request.to_change)
        if request.jobs:
            columns = zip(*request.keys, strict=True) if request.keys else ((), (), ())
            rows += await self._connection.fetch(sql.FIND_JOBS, list(request.jobs), *columns)
        for row in rows:
            job = batch.jobs.setdefault(row["id"], _read_job(row))
            if key := _read_key(row):
                batch.keys[key] = job

    async def _open_periods(self, batch: CommandBatch) -> None:
        opened = (
            account
            for account in batch.accounts.values()
            if account.is_new and account.reservation_changes
        )
        await fetch_rows(self._connection, sql.OPEN_PERIODS, map(_counter_row, opened))

    async def _insert(self, batch: CommandBatch) -> list[Record]:
        new = sorted([*batch.submitted, *batch.rejected], key=lambda pair: pair[0].id)
        columns = (_job_row(job, request) for job, request in new)
        rows = await fetch_rows(self._connection, sql.INSERT_JOBS, columns)
        if len(rows) < len(new):
            # A command of another user took the id in this moment: decide again, knowing that.
            raise TransactionConflict(reason="job id in use")
        return rows

    async def _reserve(self, batch: CommandBatch) -> None:
        changes = (
            (account.subject.subject_id, period_start, change)
            for account in batch.accounts.values()
            for period_start, change in account.reservation_changes.items()
            if change
        )
        await fetch_rows(self._connection, sql.RESERVE, changes)

    async def _retry(self, batch: CommandBatch) -> list[Record]:
        retried = ((job.id, job.usage_period, job.last_retry_id) for job in batch.retried)
        return await fetch_rows(self._connection, sql.RETRY, retried)

    async def _finish(self, batch: CommandBatch) -> list[Record]:
        rows = await fetch_rows(
            self._connection, sql.CANCEL, [(job.id,) for job in batch.cancelled]
        )
        rows += await fetch_rows(self._connection, sql.EXPIRE, [(job.id,) for job in batch.expired])
        runs = [(job.id, job.fence) for job in (*batch.cancelled, *batch.expired) if job.fence]
        await fetch_rows(self._connection, sql.CANCEL_ATTEMPTS, runs)
        return rows

    async def _request_stop(self, batch: CommandBatch) -> list[Record]:
        running = [(job.id,) for job in batch.stop_requested]
        return await fetch_rows(self._connection, sql.REQUEST_STOP, running)

    async def _wake(self, batch: CommandBatch) -> None:
        """Wake the jobs whose time has come, and those that waited only for jobs ended here."""
        ended = (*batch.cancelled, *batch.expired)
        waiting = batch.to_wake | {job.parent_id for job in ended if job.parent_id}
        if waiting:
            woken = await self._connection.fetch(WAKE, list(waiting), list(batch.answered))
            batch.woken_count = len(woken)

    async def _find_ended_children(self, batch: CommandBatch) -> None:
        jobs = (*batch.cancelled, *batch.expired, *batch.to_republish.values())
        ended = [
            job.id
            for job in jobs
            if job.is_finished and (job.parent_id or job.task_type in WORKFLOWS)
        ]
        batch.ended_children = await find_ended(self._connection, ended)


def _counter_row(account: Account) -> Row:
    subject, period = account.subject, account.period
    return (
        new_id(),
        subject.user_id,
        subject.subject_id,
        subject.plan,
        *period,
        account.quota.limit,
    )


def _job_row(job: LockedJob, request: RequestedJob) -> Row:
    idempotency = request.idempotency if job.failure_reason is None else None
    return (
        job.id,
        job.user_id,
        job.task_type,
        job.failure_reason,
        job.last_error,
        request.priority,
        orjson.dumps(request.payload).decode() if job.has_payload else None,
        job.max_attempts,
        request.run_at,
        request.deadline_at,
        request.correlation_id,
        request.traceparent,
        idempotency and idempotency.key,
        idempotency and idempotency.item,
        idempotency and bytes.fromhex(idempotency.fingerprint),
        request.source,
        request.parent_job_id,
        job.billable,
        job.usage_period,
        request.api_key_id,
    )


def _read_job(row: Record) -> LockedJob:
    fingerprint: bytes | None = row["idempotency_fingerprint"]
    return LockedJob(
        id=row["id"],
        user_id=row["user_id"],
        task_type=row["task_type"],
        status=JobStatus(row["status"]),
        created_at=row["created_at"],
        fence=row["fence"],
        entry_id=row["entry_id"],
        usage_period=row["usage_period"],
        reserved=row["reserved"],
        fingerprint=fingerprint.hex() if fingerprint else None,
        cancel_requested=row["cancel_requested_at"] is not None,
        deadline_at=row["deadline_at"],
        has_payload=row["has_payload"],
        last_retry_id=row["last_retry_id"],
        parent_id=row["parent_job_id"],
        snapshot=read_snapshot(row),
    )


def _read_key(row: Record) -> IdempotencyKey | None:
    key = row["idempotency_key"]
    return None if key is None else (row["user_id"], key, row["idempotency_item"])
