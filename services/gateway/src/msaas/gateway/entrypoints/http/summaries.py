"""Usage and summaries of a user's own jobs, for a dashboard's charts."""

from datetime import UTC, datetime
from typing import Annotated, TypeVar

import orjson
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from msaas.auth import UserPrincipal, current_user
from msaas.gateway.application.read_summary import ReadSummary
from msaas.gateway.application.summary_ports import Summary
from msaas.gateway.domain.forecasts import QuotaUsage, forecast
from msaas.gateway.entrypoints.http.summary_models import (
    JobsOverview,
    Latency,
    QuotaForecast,
    QuotaOutlook,
    SuccessRate,
    UsageReport,
    UsageTrend,
)
from msaas.web import from_state

CurrentUser = Annotated[UserPrincipal, Depends(current_user)]
ReadSummaryDep = Annotated[ReadSummary, Depends(from_state("read_summary"))]
DayCount = Annotated[int, Query(ge=1, le=90)]
Model = TypeVar("Model", bound=BaseModel)

router = APIRouter(prefix="/api/v1")


@router.get("/usage")
async def read_usage(user: CurrentUser, read: ReadSummaryDep) -> UsageReport:
    found = await read(user.id, Summary.USAGE)
    return UsageReport() if found is None else UsageReport.model_validate_json(found)


@router.get("/summaries/usage-trend")
async def read_usage_trend(
    user: CurrentUser, read: ReadSummaryDep, days: DayCount = 30
) -> UsageTrend:
    return _build_response(UsageTrend, days, await read(user.id, Summary.USAGE_TREND, days))


@router.get("/summaries/jobs-overview")
async def read_jobs_overview(
    user: CurrentUser, read: ReadSummaryDep, days: DayCount = 30
) -> JobsOverview:
    return _build_response(JobsOverview, days, await read(user.id, Summary.JOBS_OVERVIEW, days))


@router.get("/summaries/success-rate")
async def read_success_rate(
    user: CurrentUser, read: ReadSummaryDep, days: DayCount = 30
) -> SuccessRate:
    return _build_response(SuccessRate, days, await read(user.id, Summary.SUCCESS_RATE, days))


@router.get("/summaries/latency")
async def read_latency(user: CurrentUser, read: ReadSummaryDep, days: DayCount = 7) -> Latency:
    return _build_response(Latency, days, await read(user.id, Summary.LATENCY, days))


@router.get("/summaries/quota-forecast")
async def read_quota_forecast(user: CurrentUser, read: ReadSummaryDep) -> QuotaForecast:
    """Look ahead from now, whenever its figures were read."""
    found = await read(user.id, Summary.QUOTA)
    if found is None:
        return QuotaForecast(forecast=None)
    usage = _parse_quota_usage(found)
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


def _build_response(model: type[Model], days: int, found: bytes | None) -> Model:
    """Tell of nothing too, in the same words."""
    return model.model_validate({"days": days} | (orjson.loads(found) if found else {}))


def _parse_quota_usage(found: bytes) -> QuotaUsage:
    values = orjson.loads(found)
    moments = {name: datetime.fromisoformat(values[name]) for name in ("resets_at", "lately_from")}
    return QuotaUsage(**(values | moments))
