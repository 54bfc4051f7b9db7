"""A clock that only a test advances."""

import asyncio
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count

_MAX_LOOP_TURNS = 20


class FakeClock:
    """Implements kernel.Clock; `advance` wakes sleepers in the order in which they are due."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        wake = asyncio.get_running_loop().create_future()
        heappush(self._sleepers, (self._elapsed + max(seconds, 0.0), next(self._order), wake))
        await wake

    @property
    def sleepers(self) -> int:
        return sum(not wake.done() for _, _, wake in self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Advance, and stop at each sleeper that is due, so that it can run and sleep again."""
        target = self._elapsed + seconds
        await _run_ready_tasks()
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, wake = heappop(self._sleepers)
            self._elapsed = due
            if not wake.done():
                wake.set_result(None)
                await _run_ready_tasks()
        self._elapsed = target


async def _run_ready_tasks() -> None:
    """Run ready tasks until each waits again."""
    for _ in range(_MAX_LOOP_TURNS):
        await asyncio.sleep(0)
