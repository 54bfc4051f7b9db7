"""What summaries need of the world: one read of the record each, and somewhere to keep it."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class Summary(StrEnum):
    USAGE = "usage"
    USAGE_TREND = "usage-trend"
    JOBS_OVERVIEW = "jobs-overview"
    SUCCESS_RATE = "success-rate"
    LATENCY = "latency"
    QUOTA = "quota"


class SummaryViews(Protocol):
    async def find(self, user_id: UUID, summary: Summary, days: int) -> bytes | None:
        """Read one summary as JSON, as that user; None where there is nothing to sum up.

        `days` is 0 where a summary is of the present period.
        """
        ...


class ViewCache(Protocol):
    async def get(self, entry: str, load: Callable[[], Awaitable[bytes | None]]) -> bytes | None:
        """Answer what is kept under this name, or load it once for all who ask; keep None too."""
        ...
