"""Guards the sweeper's tasks: they run only once the workers could report again."""

from collections.abc import Awaitable, Callable
from typing import Final

from msaas.jobs.domain.reports import DEFAULT_LEASE
from msaas.kernel import Clock, DependencyUnavailable

SweeperTask = Callable[[], Awaitable[None]]

MARGIN: Final = 1.0


def find_quiet_seconds(longest_reclaim: float) -> float:
    """Return a time in which leases are renewed and a dead replica's entries are reclaimed."""
    return max(DEFAULT_LEASE.total_seconds(), longest_reclaim + MARGIN)


class QuietPeriod:
    """No lease expires until `seconds` after Redis returns, or after the start."""

    def __init__(self, ping: Callable[[], Awaitable[object]], clock: Clock, seconds: float) -> None:
        self._ping = ping
        self._clock = clock
        self._seconds = seconds
        self._restart()

    async def notice_epoch(self, _epoch: str) -> None:
        self._restart()

    def guard(self, task: SweeperTask) -> SweeperTask:
        """Run the task only while Redis answers and the quiet period is over."""

        async def run() -> None:
            try:
                await self._ping()
                if self._clock.monotonic() >= self._ends_at:
                    await task()
            except DependencyUnavailable:
                self._restart()
                raise

        return run

    def _restart(self) -> None:
        self._ends_at = self._clock.monotonic() + self._seconds
