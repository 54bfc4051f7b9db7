"""Builds valid messages; a test names only the fields that it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from msaas.contracts import (
    USAGE_GENESIS,
    JobEnvelope,
    JobMeta,
    JobStarted,
    JobSucceeded,
    Plan,
    Source,
    SubmitJob,
    UsageRecorded,
)

_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def build_submit_job(**overrides: Any) -> SubmitJob:
    fields: dict[str, Any] = {
        "job_id": uuid4(),
        "user_id": uuid4(),
        "task_type": "echo",
        "payload": {"text": "hello"},
        "plan": Plan.FREE,
        "source": Source.API,
    }
    return SubmitJob.model_validate(fields | overrides)


def build_job_meta(**overrides: Any) -> JobMeta:
    fields: dict[str, Any] = {
        "correlation_id": f"test-{uuid4().hex[:8]}",
        "user_id": uuid4(),
        "enqueue_ts": _NOON,
        "source": Source.API,
        "plan": Plan.FREE,
        "valid_until": _NOON + timedelta(minutes=5),
    }
    return JobMeta.model_validate(fields | overrides)


def build_job_envelope(**overrides: Any) -> JobEnvelope:
    fields: dict[str, Any] = {
        "job_id": uuid4(),
        "task_type": "echo",
        "attempts": 0,
        "max_attempts": 3,
        "fence": uuid4(),
        "payload": {"text": "hello"},
        "meta": build_job_meta(),
    }
    return JobEnvelope.model_validate(fields | overrides)


def build_job_started(envelope: JobEnvelope, **overrides: Any) -> JobStarted:
    fields: dict[str, Any] = {
        "job_id": envelope.job_id,
        "fence": envelope.fence,
        "worker": "test-worker",
        "started_at": _NOON,
    }
    return JobStarted.model_validate(fields | overrides)


def build_job_succeeded(envelope: JobEnvelope, **overrides: Any) -> JobSucceeded:
    fields: dict[str, Any] = {
        "job_id": envelope.job_id,
        "fence": envelope.fence,
        "result": {"text": "hello"},
        "started_at": _NOON,
        "finished_at": _NOON + timedelta(seconds=1),
    }
    return JobSucceeded.model_validate(fields | overrides)


def build_usage_recorded(**overrides: Any) -> UsageRecorded:
    fields: dict[str, Any] = {
        "subject_id": uuid4(),
        "seq": 1,
        "job_id": uuid4(),
        "quantity": 1,
        "occurred_at": _NOON,
        "period_start": _NOON,
        "plan": Plan.FREE,
        "prev_hash": USAGE_GENESIS,
        "hash": USAGE_GENESIS,
    }
    return UsageRecorded.model_validate(fields | overrides)
