"""The sweeper's loop: every second, but not before everybody had time to be heard again."""

from collections.abc import Awaitable, Callable, Sequence

from msaas.jobs.domain.reports import DEFAULT_LEASE
from msaas.jobs.entrypoints.periodic_task import PERIOD, Check, PeriodicTask
from msaas.kernel import Clock


class Sweeper(PeriodicTask):
    """Silence counts only where speaking was possible: one lease long after the wire was away."""

    def __init__(
        self,
        checks: Sequence[Check],
        ping: Callable[[], Awaitable[object]],
        clock: Clock,
        *,
        period: float = PERIOD,
    ) -> None:
        super().__init__(checks, period=period)
        self._ping = ping
        self._clock = clock
        self._start_grace_period()

    async def notice_epoch(self, _epoch: str) -> None:
        self._start_grace_period()

    async def run(self) -> None:
        self._start_grace_period()
        await super().run()

    async def step(self) -> None:
        if not await self._run_check(self._ping_broker):
            self._start_grace_period()
        elif self._clock.monotonic() >= self._grace_until:
            for look in self._checks:
                if not await self._run_check(look):
                    self._start_grace_period()

    async def _ping_broker(self) -> None:
        await self._ping()

    def _start_grace_period(self) -> None:
        self._grace_until = self._clock.monotonic() + DEFAULT_LEASE.total_seconds()
