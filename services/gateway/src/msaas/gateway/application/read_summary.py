"""Reads a summary of a user's own rows, from the cache as long as the rows have not changed."""

from typing import Final
from uuid import UUID

from msaas.gateway.application.cache_versions import CacheVersions
from msaas.gateway.application.summary_ports import Summary, SummaryViews, ViewCache
from msaas.kernel import Clock, SystemClock

# These change by events only; the others also change with time.
DAILY_SUMMARIES: Final = frozenset(
    {Summary.USAGE_TREND, Summary.USAGE_TREND_BY_TASK, Summary.USAGE_TREND_BY_KEY}
)


class ReadSummary:
    """Summaries contain counts, times, states and ids, so that the cache holds no secret."""

    def __init__(
        self,
        views: SummaryViews,
        cache_versions: CacheVersions,
        *,
        short_cache: ViewCache,
        daily_cache: ViewCache,
        clock: Clock | None = None,
    ) -> None:
        self._views = views
        self._cache_versions = cache_versions
        self._short_cache = short_cache
        self._daily_cache = daily_cache
        self._clock = clock or SystemClock()

    async def __call__(self, user_id: UUID, summary: Summary, days: int = 0) -> bytes | None:
        # Taken before the read: a change during the read has another version.
        version = self._cache_versions.find_version(user_id)

        async def load() -> bytes | None:
            return await self._views.find(user_id, summary, days)

        if version is None:
            return await load()
        cache = self._daily_cache if summary in DAILY_SUMMARIES else self._short_cache
        today = self._clock.now().date()
        return await cache.get(f"{user_id}:{summary}:{days}:{today}:{version}", load)
