"""Response models of summaries: usage, jobs, times."""

from datetime import date, datetime
from uuid import UUID

from msaas.contracts import Plan
from msaas.gateway.entrypoints.http.models import ResponseModel


class DayOfUsage(ResponseModel):
    day: date
    jobs: int


class EarlierPeriod(ResponseModel):
    plan: Plan
    period_start: datetime
    period_end: datetime
    jobs_used: int
    jobs_limit: int | None


class PresentPeriod(ResponseModel):
    plan: Plan
    period_start: datetime
    resets_at: datetime
    jobs_used: int
    jobs_reserved: int
    jobs_limit: int | None
    by_day: list[DayOfUsage]


class UsageReport(ResponseModel):
    """`current` is None before the first job of a period."""

    current: PresentPeriod | None = None
    earlier: tuple[EarlierPeriod, ...] = ()


class UsageOfGroup(ResponseModel):
    """`key` is a task type or the id of an API key; None groups what has neither."""

    key: str | None
    total: int
    by_day: tuple[DayOfUsage, ...]


class UsageTrend(ResponseModel):
    """`groups` is None where none were asked for."""

    days: int
    total: int = 0
    by_day: tuple[DayOfUsage, ...] = ()
    groups: tuple[UsageOfGroup, ...] | None = None


class Counts(ResponseModel):
    jobs: int = 0
    pending: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0


class CountsOfTask(Counts):
    task_type: str


class CountsOfDay(Counts):
    day: date


class RecentFailure(ResponseModel):
    id: UUID
    task_type: str
    failure_reason: str | None
    attempts: int
    finished_at: datetime


class JobsOverview(ResponseModel):
    days: int
    total: Counts = Counts()
    by_task: tuple[CountsOfTask, ...] = ()
    by_day: tuple[CountsOfDay, ...] = ()
    recent_failures: tuple[RecentFailure, ...] = ()


class Rate(ResponseModel):
    """`rate` is completed / (completed + failed); None where no job ended."""

    completed: int = 0
    failed: int = 0
    rate: float | None = None


class RateOfTask(Rate):
    task_type: str


class RateOfDay(Rate):
    day: date


class FailureCount(ResponseModel):
    reason: str | None
    jobs: int


class SuccessRate(ResponseModel):
    days: int
    total: Rate = Rate()
    by_task: tuple[RateOfTask, ...] = ()
    by_day: tuple[RateOfDay, ...] = ()
    reasons: tuple[FailureCount, ...] = ()


class Spread(ResponseModel):
    p50: float
    p95: float
    p99: float


class Times(ResponseModel):
    """Times of completed jobs: due to started, started to finished, due to finished."""

    task_type: str | None
    jobs: int
    wait_seconds: Spread
    run_seconds: Spread
    end_to_end_seconds: Spread


class Latency(ResponseModel):
    days: int
    total: Times | None = None
    by_task: tuple[Times, ...] = ()


class QuotaOutlook(ResponseModel):
    """`exhausted_at` is None where the quota lasts until the end of the period."""

    jobs_used: int
    jobs_reserved: int
    jobs_limit: int | None
    resets_at: datetime
    jobs_per_day: float
    expected_by_reset: int
    exhausted_at: datetime | None


class QuotaForecast(ResponseModel):
    """None before the first job of a period."""

    forecast: QuotaOutlook | None
