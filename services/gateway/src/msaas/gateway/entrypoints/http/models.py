"""The shapes of requests and answers; contracts/openapi/gateway.v1.yaml says the same in words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, cast
from uuid import UUID

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)
from pydantic_core import PydanticCustomError

from msaas.contracts import JobStatus, Plan, Progress, Source
from msaas.sealing import is_sealed


def _parsed(value: object) -> object:
    """Postgres hands JSON out as text."""
    return orjson.loads(value) if isinstance(value, str) else value


def _written_out(value: object) -> object:
    """Take no bare number for a moment, which pydantic would count from 1970."""
    if isinstance(value, str) and value[4:5] == "-":
        return value
    raise PydanticCustomError("date_time", "Must be a date and time as RFC 3339 writes them")


def _in_range(value: datetime) -> datetime:
    """Refuse what Postgres could not hold once its time zone is taken away."""
    if value.year in _YEARS:
        return value
    raise PydanticCustomError("date_time_range", "Must be in the years 1970 to 2999")


_YEARS = range(1970, 3000)
Moment = Annotated[
    AwareDatetime,
    Field(strict=False),
    BeforeValidator(_written_out),
    AfterValidator(_in_range),
]


def _as_whole(value: object) -> object:
    """To JSON 5.0 is as whole as 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_as_whole)]
JsonObject = Annotated[dict[str, Any], BeforeValidator(_parsed)]


def _masked(value: object) -> object:
    """Say that there is a secret, and nothing of it."""
    if not isinstance(value, dict):
        return value
    given = cast("dict[str, object]", value)
    return {name: "[sealed]" if is_sealed(one) else one for name, one in given.items()}


Params = Annotated[dict[str, Any], BeforeValidator(_masked), BeforeValidator(_parsed)]
Timings = Annotated[dict[str, int], BeforeValidator(_parsed)]
Shown = Annotated[Progress, BeforeValidator(_parsed)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class JobRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    task_type: Annotated[str, Field(min_length=1, max_length=64)]
    params: dict[str, Any]
    priority: Annotated[Whole, Field(ge=0, le=9)] = 5
    run_at: Moment | None = None
    deadline_at: Moment | None = None


class JobRequests(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    jobs: Annotated[list[JobRequest], Field(min_length=1, max_length=100)]


class JobAccepted(_Answer):
    id: UUID
    status: JobStatus


class JobOutcome(_Answer):
    """One job of a batch: `job` where it was accepted, `problem` where it was not."""

    ok: bool
    job: JobAccepted | None = None
    replayed: bool = False
    problem: dict[str, Any] | None = None


class JobOutcomes(_Answer):
    items: list[JobOutcome]


class Queue(_Answer):
    reason: str | None
    position: int
    estimated_start_at: datetime | None


class JobSummary(_Answer):
    id: UUID
    task_type: str
    status: JobStatus
    priority: int
    attempts: int
    max_attempts: int
    source: Source
    run_at: datetime
    deadline_at: datetime | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested: bool
    progress: Shown | None
    last_error: str | None
    failure_reason: str | None
    correlation_id: str
    version: int
    queue: Queue | None = None


class Job(JobSummary):
    params: Params | None


class JobPage(_Answer):
    """`stream_cursor` is from before the page was read: connect with it, and nothing is missed."""

    items: list[JobSummary]
    next_cursor: str | None
    stream_cursor: str


class JobState(_Answer):
    status: JobStatus
    progress: Shown | None
    updated_at: datetime


class JobResult(_Answer):
    """A result that is too large for an answer is the file that `result_ref` names."""

    id: UUID
    task_type: str
    result: JsonObject | None
    result_ref: str | None
    finished_at: datetime


class Attempt(_Answer):
    attempt: int
    dispatched_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    outcome: str | None
    reason: str | None
    error: str | None
    timings_ms: Timings | None
    waited_ms: int | None
    waited_for: str | None


class Attempts(_Answer):
    items: list[Attempt]


class Happening(_Answer):
    at: datetime
    kind: str
    attempt: int | None
    details: dict[str, Any]


class Timeline(_Answer):
    items: list[Happening]


class Usage(_Answer):
    plan: Plan
    period_start: datetime
    period_end: datetime
    jobs_used: int
    jobs_reserved: int
    jobs_limit: int | None


class Me(_Answer):
    id: UUID
    email: str | None
    display_name: str | None
    role: str
    plan: Plan
    locale: str | None
    created_at: datetime
    usage: Usage | None


class TaskType(_Answer):
    task_type: str
    summary: str
    plans: list[Plan]
    billable: bool
    timeout_seconds: float
    max_attempts: int
    params_schema: dict[str, Any]
    result_schema: dict[str, Any]


class TaskTypes(_Answer):
    items: list[TaskType]


def to_model(kind: type[BaseModel], row: Mapping[str, Any]) -> Any:
    return kind.model_validate(dict(row))
