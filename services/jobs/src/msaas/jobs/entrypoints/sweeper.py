"""The sweeper's loop: every second, but not before everybody had time to be heard again."""

from collections.abc import Awaitable, Callable, Sequence

from msaas.jobs.domain.reports import LEASE
from msaas.jobs.entrypoints.rounds import PERIOD, Look, Rounds
from msaas.kernel import Clock


class Sweeper(Rounds):
    """Silence counts only where speaking was possible: one lease long after the wire was away."""

    def __init__(
        self,
        looks: Sequence[Look],
        ping: Callable[[], Awaitable[object]],
        clock: Clock,
        *,
        period: float = PERIOD,
    ) -> None:
        super().__init__(looks, period=period)
        self._ping = ping
        self._clock = clock
        self._keep_quiet()

    async def notice_epoch(self, _epoch: str) -> None:
        self._keep_quiet()

    async def run(self) -> None:
        self._keep_quiet()
        await super().run()

    async def step(self) -> None:
        if not await self._take(self._reach):
            self._keep_quiet()
        elif self._clock.monotonic() >= self._judge_at:
            for look in self._looks:
                if not await self._take(look):
                    self._keep_quiet()

    async def _reach(self) -> None:
        await self._ping()

    def _keep_quiet(self) -> None:
        self._judge_at = self._clock.monotonic() + LEASE.total_seconds()
