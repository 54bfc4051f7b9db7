"""Republishes events in each new epoch of the broker, and periodically where there is none."""

from collections.abc import Awaitable, Callable
from typing import Final

from msaas.kernel import PeriodicTask, RetryPolicy, Wait
from msaas.telemetry import log_task_failure

PERIOD: Final = 3600.0
JITTER: Final = RetryPolicy(base=60.0, cap=60.0)


class RepublishScheduler:
    """Every process may republish at any time: the database knows which epoch was served when."""

    def __init__(
        self,
        republish: Callable[[str], Awaitable[None]],
        *,
        period: float = PERIOD,
        jitter: RetryPolicy = JITTER,
    ) -> None:
        self._republish = republish
        self._period = period
        self._jitter = jitter
        self._epoch = ""
        self.task: Final = PeriodicTask(
            "republish events", self._step, period=period, report_failure=log_task_failure
        )

    async def notice_epoch(self, epoch: str) -> None:
        """Raise if events could not be republished, so that the epoch is announced again."""
        await self._republish(epoch)
        self._epoch = epoch

    async def _step(self) -> Wait:
        if self._epoch:
            await self._republish(self._epoch)
        return Wait(self._period + self._jitter.delay(1))
