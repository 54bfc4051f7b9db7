"""The ports of summaries: the database and the cache."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class Summary(StrEnum):
    USAGE = "usage"
    USAGE_TREND = "usage-trend"
    USAGE_TREND_BY_TASK = "usage-trend-by-task"
    USAGE_TREND_BY_KEY = "usage-trend-by-key"
    JOBS_OVERVIEW = "jobs-overview"
    SUCCESS_RATE = "success-rate"
    LATENCY = "latency"
    QUOTA = "quota"


class SummaryViews(Protocol):
    async def find(self, user_id: UUID, summary: Summary, days: int) -> bytes | None:
        """Read one summary as JSON with the user's permissions; None if there are no rows.

        `days` is 0 for a summary of the current period.
        """
        ...


class ViewCache(Protocol):
    async def get(self, entry: str, load: Callable[[], Awaitable[bytes | None]]) -> bytes | None:
        """Return the cached value, or load it once for concurrent callers; None is cached too."""
        ...
