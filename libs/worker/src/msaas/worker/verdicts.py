"""From what came of a run to the message that says so."""

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
    Value,
)
from msaas.kernel import CircuitOpen
from msaas.worker.run import ActionFailed, Run

RESULT_FILE = "result.json"


class Failure(NamedTuple):
    reason: str
    words: str
    may_retry: bool

    @classmethod
    def of(cls, error: ActionFailed) -> Self:
        return cls(error.reason, error.safe_message, error.may_retry)


CANCELLED = Failure("cancelled", "The job was cancelled.", may_retry=False)
UNEXPECTED = Failure("internal", "The work failed for an unexpected reason.", may_retry=True)
UNKNOWN_TASK = Failure("unknown_task", "This worker does not know the task type.", may_retry=False)
OUT_OF_TIME = Failure("timeout", "The work took too long.", may_retry=True)
UNAVAILABLE = Failure("dependency_unavailable", CircuitOpen.default_message, may_retry=True)
PAST_DEADLINE = Failure("timeout", "The job's deadline has passed.", may_retry=False)


def decode_params(task: Task, envelope: JobEnvelope) -> Value:
    try:
        return task.params.model_validate_json(to_json(envelope.payload))
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors())
        words = f"The parameters are not valid: {fields}."
        raise ActionFailed("invalid_payload", words, retryable=False) from None


async def settle_result(task: Task, run: Run, result: Value | dict[str, Any]) -> dict[str, Any]:
    """Say what came of it, or where it is kept when it is more than a message may carry."""
    fields = task.result.model_validate(result).model_dump(mode="json")
    if len(content := to_json(fields)) <= MAX_INLINE_RESULT:
        return {"result": fields}
    if RESULT_FILE not in run.envelope.meta.uploads:
        raise ActionFailed("result_too_large", "The result is larger than 64 KiB.", retryable=False)
    kept = await run.keep(RESULT_FILE, content, "application/json")
    return {"result_ref": kept.name}


def lost(envelope: JobEnvelope, reason: LossReason) -> JobLost:
    return JobLost(job_id=envelope.job_id, fence=envelope.fence, reason=reason)


def failed(
    envelope: JobEnvelope,
    failure: Failure,
    at: datetime,
    started_at: datetime | None = None,
    timings_ms: Mapping[str, int] | None = None,
) -> JobFailed:
    return JobFailed(
        job_id=envelope.job_id,
        fence=envelope.fence,
        failure_reason=failure.reason,
        last_error=failure.words,
        retryable=failure.may_retry,
        started_at=started_at,
        finished_at=at,
        timings_ms=dict(timings_ms or {}),
    )
