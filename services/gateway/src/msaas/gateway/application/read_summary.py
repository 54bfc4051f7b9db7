"""Reads a summary of a user's own rows, from what is kept of it as long as nothing has changed."""

from typing import Final
from uuid import UUID

from msaas.gateway.application.recent_changes import RecentChanges
from msaas.gateway.application.summary_ports import Summary, SummaryViews, ViewCache
from msaas.kernel import Clock, SystemClock

# These change by an event only; the others also as time goes by.
DAILY: Final = frozenset({Summary.USAGE_TREND})


class ReadSummary:
    """Nothing but sums, times, states and ids is read here, so nothing secret is kept."""

    def __init__(
        self,
        views: SummaryViews,
        changes: RecentChanges,
        *,
        briefly: ViewCache,
        daily: ViewCache,
        clock: Clock | None = None,
    ) -> None:
        self._views = views
        self._changes = changes
        self._briefly = briefly
        self._daily = daily
        self._clock = clock or SystemClock()

    async def __call__(self, user_id: UUID, summary: Summary, days: int = 0) -> bytes | None:
        # The mark is taken before the read: what changes meanwhile has another one.
        mark = self._changes.find_mark(user_id)

        async def load() -> bytes | None:
            return await self._views.find(user_id, summary, days)

        if mark is None:
            return await load()
        cache = self._daily if summary in DAILY else self._briefly
        today = self._clock.now().date()
        return await cache.get(f"{user_id}:{summary}:{days}:{today}:{mark}", load)
