"""Request and response models; contracts/openapi/gateway.v1.yaml documents them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self, cast
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


def _parse_json(value: object) -> object:
    """Parse JSON, which Postgres returns as text."""
    return orjson.loads(value) if isinstance(value, str) else value


def _require_rfc3339(value: object) -> object:
    """Refuse numbers, which pydantic would read as seconds since 1970."""
    if isinstance(value, str) and value[4:5] == "-":
        return value
    raise PydanticCustomError("date_time", "Must be a date and time as RFC 3339 writes them")


def _require_supported_year(value: datetime) -> datetime:
    """Refuse years that Postgres cannot store in every time zone."""
    if value.year in _SUPPORTED_YEARS:
        return value
    raise PydanticCustomError("date_time_range", "Must be in the years 1970 to 2999")


_SUPPORTED_YEARS = range(1970, 3000)
Moment = Annotated[
    AwareDatetime,
    Field(strict=False),
    BeforeValidator(_require_rfc3339),
    AfterValidator(_require_supported_year),
]


def _coerce_integral(value: object) -> object:
    """Accept 5.0 as 5: JSON does not distinguish them."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


IntegralNumber = Annotated[int, BeforeValidator(_coerce_integral)]
ParsedJson = Annotated[dict[str, Any], BeforeValidator(_parse_json)]


def _mask_secrets(value: object) -> object:
    """Replace each sealed secret by a placeholder."""
    if not isinstance(value, dict):
        return value
    params = cast("dict[str, object]", value)
    return {name: "[sealed]" if is_sealed(param) else param for name, param in params.items()}


MaskedParams = Annotated[
    dict[str, Any], BeforeValidator(_mask_secrets), BeforeValidator(_parse_json)
]
ParsedTimings = Annotated[dict[str, int], BeforeValidator(_parse_json)]
ParsedProgress = Annotated[Progress, BeforeValidator(_parse_json)]


class RequestModel(BaseModel):
    """Refuses unknown fields and converted types; its errors do not show the input."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class ResponseModel(BaseModel):
    model_config = ConfigDict(frozen=True)


class JobRequest(RequestModel):
    task_type: Annotated[str, Field(min_length=1, max_length=64)]
    params: dict[str, Any]
    priority: Annotated[IntegralNumber, Field(ge=0, le=9)] = 5
    run_at: Moment | None = None
    deadline_at: Moment | None = None


class JobRequests(RequestModel):
    jobs: Annotated[list[JobRequest], Field(min_length=1, max_length=100)]


class JobAccepted(ResponseModel):
    id: UUID
    status: JobStatus


class JobOutcome(ResponseModel):
    """One job of a batch: `job` if it was accepted, otherwise `problem`."""

    ok: bool
    job: JobAccepted | None = None
    replayed: bool = False
    problem: dict[str, Any] | None = None


class JobOutcomes(ResponseModel):
    items: list[JobOutcome]


class Queue(ResponseModel):
    reason: str | None
    position: int
    estimated_start_at: datetime | None


class JobTarget(ResponseModel):
    host: str
    path: str


class UsedApiKey(ResponseModel):
    id: UUID
    name: str


class JobSummary(ResponseModel):
    """`cost` counts the units that the job holds or was charged."""

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
    progress: ParsedProgress | None
    last_error: str | None
    failure_reason: str | None
    correlation_id: str
    version: int
    queue: Queue | None = None
    target: JobTarget | None
    cost: int
    api_key: UsedApiKey | None
    timeout_seconds: float | None


class Job(JobSummary):
    params: MaskedParams | None


class JobCounts(ResponseModel):
    by_status: dict[JobStatus, int]
    total: int

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> Self:
        by_status = {status: counts.get(status, 0) for status in JobStatus}
        return cls(by_status=by_status, total=sum(counts.values()))


class JobPage(ResponseModel):
    """`stream_cursor` is older than the page: a stream that starts there misses no event."""

    items: list[JobSummary]
    next_cursor: str | None
    stream_cursor: str


class JobState(ResponseModel):
    status: JobStatus
    progress: ParsedProgress | None
    updated_at: datetime


class JobResult(ResponseModel):
    """`result_ref` names the file of a result that is too large for a response."""

    id: UUID
    task_type: str
    result: ParsedJson | None
    result_ref: str | None
    finished_at: datetime


class Attempt(ResponseModel):
    attempt: int
    dispatched_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    outcome: str | None
    reason: str | None
    error: str | None
    timings_ms: ParsedTimings | None
    waited_ms: int | None
    waited_for: str | None


class Attempts(ResponseModel):
    items: list[Attempt]


class Happening(ResponseModel):
    at: datetime
    kind: str
    attempt: int | None
    details: dict[str, Any]


class Timeline(ResponseModel):
    items: list[Happening]


class Usage(ResponseModel):
    plan: Plan
    period_start: datetime
    period_end: datetime
    jobs_used: int
    jobs_reserved: int
    jobs_limit: int | None


class Me(ResponseModel):
    id: UUID
    email: str | None
    display_name: str | None
    role: str
    plan: Plan
    locale: str | None
    created_at: datetime
    usage: Usage | None


class TaskType(ResponseModel):
    task_type: str
    summary: str
    plans: list[Plan]
    billable: bool
    timeout_seconds: float
    max_attempts: int
    params_schema: dict[str, Any]
    result_schema: dict[str, Any]


class TaskTypes(ResponseModel):
    items: list[TaskType]


def to_model(model: type[BaseModel], row: Mapping[str, Any]) -> Any:
    return model.model_validate(dict(row))
