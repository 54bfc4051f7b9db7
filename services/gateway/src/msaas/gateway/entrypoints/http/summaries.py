"""Usage and summaries of the caller's jobs, for the charts of a dashboard."""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal, TypeVar

import orjson
from fastapi import APIRouter, Query
from pydantic import BaseModel

from msaas.contracts import Scope
from msaas.gateway.application.summary_ports import Summary
from msaas.gateway.domain.forecasts import QuotaUsage, forecast
from msaas.gateway.entrypoints.http.dependencies import CurrentUser, ReadSummaryDep
from msaas.gateway.entrypoints.http.route_rules import RouteRule, guard
from msaas.gateway.entrypoints.http.summary_models import (
    JobsOverview,
    Latency,
    QuotaForecast,
    QuotaOutlook,
    SuccessRate,
    UsageReport,
    UsageTrend,
)

DayCount = Annotated[int, Query(ge=1, le=90)]
Model = TypeVar("Model", bound=BaseModel)

_TRENDS: Final = {
    None: Summary.USAGE_TREND,
    "task_type": Summary.USAGE_TREND_BY_TASK,
    "api_key": Summary.USAGE_TREND_BY_KEY,
}

router = APIRouter(prefix="/api/v1")
_READS_ACCOUNT = guard(RouteRule(scope=Scope.ACCOUNT_READ))
_READS_JOBS = guard(RouteRule(scope=Scope.JOBS_READ))


@router.get("/usage", dependencies=[_READS_ACCOUNT])
async def read_usage(user: CurrentUser, read: ReadSummaryDep) -> UsageReport:
    summary = await read(user.id, Summary.USAGE)
    return UsageReport() if summary is None else UsageReport.model_validate_json(summary)


@router.get("/summaries/usage-trend", dependencies=[_READS_ACCOUNT])
async def read_usage_trend(
    user: CurrentUser,
    read: ReadSummaryDep,
    days: DayCount = 30,
    by: Literal["task_type", "api_key"] | None = None,
) -> UsageTrend:
    trend = _build_response(UsageTrend, days, await read(user.id, _TRENDS[by], days))
    return trend if by is None or trend.groups else trend.model_copy(update={"groups": ()})


@router.get("/summaries/jobs-overview", dependencies=[_READS_JOBS])
async def read_jobs_overview(
    user: CurrentUser, read: ReadSummaryDep, days: DayCount = 30
) -> JobsOverview:
    return _build_response(JobsOverview, days, await read(user.id, Summary.JOBS_OVERVIEW, days))


@router.get("/summaries/success-rate", dependencies=[_READS_JOBS])
async def read_success_rate(
    user: CurrentUser, read: ReadSummaryDep, days: DayCount = 30
) -> SuccessRate:
    return _build_response(SuccessRate, days, await read(user.id, Summary.SUCCESS_RATE, days))


@router.get("/summaries/latency", dependencies=[_READS_JOBS])
async def read_latency(user: CurrentUser, read: ReadSummaryDep, days: DayCount = 7) -> Latency:
    return _build_response(Latency, days, await read(user.id, Summary.LATENCY, days))


@router.get("/summaries/quota-forecast", dependencies=[_READS_ACCOUNT])
async def read_quota_forecast(user: CurrentUser, read: ReadSummaryDep) -> QuotaForecast:
    """Forecast from now; the figures may come from the cache."""
    summary = await read(user.id, Summary.QUOTA)
    if summary is None:
        return QuotaForecast(forecast=None)
    usage = _parse_quota_usage(summary)
    outlook = forecast(usage, datetime.now(UTC))
    return QuotaForecast(
        forecast=QuotaOutlook(
            jobs_used=usage.used,
            jobs_reserved=usage.reserved,
            jobs_limit=usage.limit,
            resets_at=usage.resets_at,
            jobs_per_day=outlook.per_day,
            expected_by_reset=outlook.expected,
            exhausted_at=outlook.exhausted_at,
        )
    )


def _build_response(model: type[Model], days: int, summary: bytes | None) -> Model:
    """Return the empty response where there is nothing to sum up."""
    return model.model_validate({"days": days} | (orjson.loads(summary) if summary else {}))


def _parse_quota_usage(summary: bytes) -> QuotaUsage:
    values = orjson.loads(summary)
    moments = {name: datetime.fromisoformat(values[name]) for name in ("resets_at", "lately_from")}
    return QuotaUsage(**(values | moments))
