"""Rows of intake as what the use case works with, and back."""

from collections.abc import Sequence
from typing import Any

import orjson
from asyncpg import Record

from msaas.contracts import JobStatus
from msaas.jobs.adapters.postgres.snapshot_rows import read_snapshot
from msaas.jobs.application.command_batch import IdempotencyKey, LockedJob, NewJob, RejectedJob


def read_job(row: Record) -> LockedJob:
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
        last_retry=row["last_retry"],
        parent_id=row["parent_job_id"],
        snapshot=read_snapshot(row),
    )


def read_key(row: Record) -> IdempotencyKey | None:
    key = row["idempotency_key"]
    return None if key is None else (row["user_id"], key, row["idempotency_item"])


def job_columns(new: Sequence[NewJob]) -> Sequence[Sequence[Any]]:
    """Turn jobs into an array for each column."""
    return list(zip(*map(_job_row, new), strict=True))


def _job_row(new: NewJob) -> tuple[Any, ...]:
    command, idempotency = new.command, new.command.idempotency
    return (
        command.job_id,
        command.user_id,
        command.task_type,
        command.priority,
        orjson.dumps(command.payload).decode(),
        new.task.max_attempts,
        command.run_at,
        command.deadline_ts,
        new.context.correlation_id,
        new.context.traceparent,
        idempotency and idempotency.key,
        idempotency and idempotency.item,
        idempotency and bytes.fromhex(idempotency.fingerprint),
        command.source,
        command.parent_job_id,
        new.task.billable,
        new.usage_period,
    )


def rejected_row(rejected: RejectedJob) -> tuple[Any, ...]:
    command = rejected.command
    return (
        command.job_id,
        command.user_id,
        command.task_type,
        rejected.reason,
        rejected.error_message,
        command.priority,
        orjson.dumps(command.payload).decode(),
        rejected.context.correlation_id,
        rejected.context.traceparent,
        command.source,
        command.parent_job_id,
    )
