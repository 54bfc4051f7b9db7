"""The shapes of what is summed up: usage, jobs, times."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from msaas.contracts import Plan


class _ResponseModel(BaseModel):
    model_config = ConfigDict(frozen=True)


class DayOfUsage(_ResponseModel):
    day: date
    jobs: int


class EarlierPeriod(_ResponseModel):
    plan: Plan
    period_start: datetime
    period_end: datetime
    jobs_used: int
    jobs_limit: int | None


class PresentPeriod(_ResponseModel):
    plan: Plan
    period_start: datetime
    resets_at: datetime
    jobs_used: int
    jobs_reserved: int
    jobs_limit: int | None
    by_day: list[DayOfUsage]


class UsageReport(_ResponseModel):
    """`current` is None before the first job of a period."""

    current: PresentPeriod | None = None
    earlier: list[EarlierPeriod] = []


class UsageTrend(_ResponseModel):
    days: int
    total: int = 0
    by_day: list[DayOfUsage] = []


class Counts(_ResponseModel):
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


class RecentFailure(_ResponseModel):
    id: UUID
    task_type: str
    failure_reason: str | None
    attempts: int
    finished_at: datetime


class JobsOverview(_ResponseModel):
    days: int
    total: Counts = Counts()
    by_task: list[CountsOfTask] = []
    by_day: list[CountsOfDay] = []
    recent_failures: list[RecentFailure] = []


class Rate(_ResponseModel):
    """`rate` is of those that ended well or badly; None where there are none."""

    completed: int = 0
    failed: int = 0
    rate: float | None = None


class RateOfTask(Rate):
    task_type: str


class RateOfDay(Rate):
    day: date


class FailureCount(_ResponseModel):
    reason: str | None
    jobs: int


class SuccessRate(_ResponseModel):
    days: int
    total: Rate = Rate()
    by_task: list[RateOfTask] = []
    by_day: list[RateOfDay] = []
    reasons: list[FailureCount] = []


class Spread(_ResponseModel):
    p50: float
    p95: float
    p99: float


class Times(_ResponseModel):
    """Of completed jobs: from due to started, from started to finished, and both together."""

    task_type: str | None
    jobs: int
    wait_seconds: Spread
    run_seconds: Spread
    end_to_end_seconds: Spread


class Latency(_ResponseModel):
    days: int
    total: Times | None = None
    by_task: list[Times] = []


class QuotaOutlook(_ResponseModel):
    """`exhausted_at` is None where the period ends before its jobs do."""

    jobs_used: int
    jobs_reserved: int
    jobs_limit: int | None
    resets_at: datetime
    jobs_per_day: float
    expected_by_reset: int
    exhausted_at: datetime | None


class QuotaForecast(_ResponseModel):
    """None before the first job of a period."""

    forecast: QuotaOutlook | None
