"""Builds the message that reports how a run ended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Self

from pydantic import ValidationError
from pydantic_core import to_json

from msaas.contracts import (
    MAX_INLINE_RESULT,
    JobEnvelope,
    JobFailed,
    JobLost,
    LossReason,
    Task,
    ValueObject,
)
from msaas.kernel import CircuitOpen
from msaas.worker.run_context import ActionFailed, RunContext

RESULT_FILE = "result.json"


class RunFailure(NamedTuple):
    reason: str
    message: str
    may_retry: bool

    @classmethod
    def from_error(cls, error: ActionFailed) -> Self:
        return cls(error.reason, error.safe_message, error.may_retry)


CANCELLED = RunFailure("cancelled", "The job was cancelled.", may_retry=False)
INTERNAL_ERROR = RunFailure("internal", "The job failed unexpectedly.", may_retry=True)
UNKNOWN_TASK = RunFailure("unknown_task", "Unknown task type.", may_retry=False)
FEATURE_DISABLED = RunFailure(
    "feature_flag_disabled", "This task is currently disabled.", may_retry=False
)
TIMED_OUT = RunFailure("timeout", "The job timed out.", may_retry=True)
DEPENDENCY_UNAVAILABLE = RunFailure(
    "dependency_unavailable", CircuitOpen.default_message, may_retry=True
)
DEADLINE_EXCEEDED = RunFailure("timeout", "The job's deadline has passed.", may_retry=False)


def decode_params(task: Task, envelope: JobEnvelope) -> ValueObject:
    try:
        return task.params.model_validate_json(to_json(envelope.payload))
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors())
        message = f"The parameters are not valid: {fields}."
        raise ActionFailed("invalid_payload", message, retryable=False) from None


async def build_result_fields(
    task: Task, run: RunContext, result: ValueObject | dict[str, Any]
) -> dict[str, Any]:
    """Return the result, or the name of its file where it is too large for a message."""
    fields = task.result.model_validate(result).model_dump(mode="json")
    if len(content := to_json(fields)) <= MAX_INLINE_RESULT:
        return {"result": fields}
    if RESULT_FILE not in run.envelope.meta.uploads:
        raise ActionFailed("result_too_large", "The result is larger than 64 KiB.", retryable=False)
    artifact = await run.save_artifact(RESULT_FILE, content, "application/json")
    return {"result_ref": artifact.name}


def build_job_lost(envelope: JobEnvelope, reason: LossReason) -> JobLost:
    return JobLost(job_id=envelope.job_id, fence=envelope.fence, reason=reason)


def build_job_failed(
    envelope: JobEnvelope,
    failure: RunFailure,
    finished_at: datetime,
    started_at: datetime | None = None,
    timings_ms: Mapping[str, int] | None = None,
) -> JobFailed:
    return JobFailed(
        job_id=envelope.job_id,
        fence=envelope.fence,
        failure_reason=failure.reason,
        last_error=failure.message,
        retryable=failure.may_retry,
        started_at=started_at,
        finished_at=finished_at,
        timings_ms=dict(timings_ms or {}),
    )
