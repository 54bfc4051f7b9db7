"""Usage and summaries of a user's own jobs, for a dashboard's charts."""

from datetime import UTC, datetime
from typing import Annotated, TypeVar

import orjson
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from msaas.gateway.application.read_summary import ReadSummary
from msaas.gateway.application.summary_ports import Summary
from msaas.gateway.domain.forecasts import Standing, forecast
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
from msaas.web.auth import UserPrincipal, current_user

User = Annotated[UserPrincipal, Depends(current_user)]
Read = Annotated[ReadSummary, Depends(from_state("read_summary"))]
Days = Annotated[int, Query(ge=1, le=90)]
Answer = TypeVar("Answer", bound=BaseModel)

router = APIRouter(prefix="/api/v1")


@router.get("/usage")
async def read_usage(user: User, read: Read) -> UsageReport:
    found = await read(user.id, Summary.USAGE)
    return UsageReport() if found is None else UsageReport.model_validate_json(found)


@router.get("/summaries/usage-trend")
async def read_usage_trend(user: User, read: Read, days: Days = 30) -> UsageTrend:
    return _told(UsageTrend, days, await read(user.id, Summary.USAGE_TREND, days))


@router.get("/summaries/jobs-overview")
async def read_jobs_overview(user: User, read: Read, days: Days = 30) -> JobsOverview:
    return _told(JobsOverview, days, await read(user.id, Summary.JOBS_OVERVIEW, days))


@router.get("/summaries/success-rate")
async def read_success_rate(user: User, read: Read, days: Days = 30) -> SuccessRate:
    return _told(SuccessRate, days, await read(user.id, Summary.SUCCESS_RATE, days))


@router.get("/summaries/latency")
async def read_latency(user: User, read: Read, days: Days = 7) -> Latency:
    return _told(Latency, days, await read(user.id, Summary.LATENCY, days))


@router.get("/summaries/quota-forecast")
async def read_quota_forecast(user: User, read: Read) -> QuotaForecast:
    """Look ahead from now, whenever its figures were read."""
    found = await read(user.id, Summary.QUOTA)
    if found is None:
        return QuotaForecast(forecast=None)
    standing = _standing(found)
    seen = forecast(standing, datetime.now(UTC))
    return QuotaForecast(
        forecast=QuotaOutlook(
            jobs_used=standing.used,
            jobs_reserved=standing.reserved,
            jobs_limit=standing.limit,
            resets_at=standing.resets_at,
            jobs_per_day=seen.per_day,
            expected_by_reset=seen.expected,
            exhausted_at=seen.exhausted_at,
        )
    )


def _told(kind: type[Answer], days: int, found: bytes | None) -> Answer:
    """Tell of nothing too, in the same words."""
    return kind.model_validate({"days": days} | (orjson.loads(found) if found else {}))


def _standing(found: bytes) -> Standing:
    facts = orjson.loads(found)
    moments = {name: datetime.fromisoformat(facts[name]) for name in ("resets_at", "lately_from")}
    return Standing(**(facts | moments))
