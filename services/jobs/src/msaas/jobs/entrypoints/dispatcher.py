"""The dispatcher: a tick at once when there is a reason for one, otherwise periodically."""

from collections.abc import Awaitable, Callable
from typing import Final

from msaas.jobs.application.ports import TickResult
from msaas.kernel import PeriodicTask, RetryPolicy, Wait
from msaas.telemetry import log_task_failure

PERIOD: Final = 0.5
_WHEN_BUSY: Final = RetryPolicy(base=0.02, cap=0.1, attempts=None)
_WHEN_FAILED: Final = RetryPolicy(base=0.1, cap=3.0, attempts=None)


class Dispatcher:
    """Runs ticks; the dispatchers of several processes take turns.

    Requests during a tick count as one. After a failure, requests do not shorten the wait.
    """

    def __init__(
        self, dispatch: Callable[[], Awaitable[TickResult]], *, period: float = PERIOD
    ) -> None:
        self._dispatch = dispatch
        self._busy = 0
        self._has_waiting = True
        self.task: Final = PeriodicTask(
            "dispatch",
            self._step,
            period=period,
            report_failure=log_task_failure,
            backoff=_WHEN_FAILED,
        )

    def request_dispatch(self) -> None:
        """Tick at once: a job was submitted, or a plan changed."""
        self.task.wake()

    def notify_slot_freed(self) -> None:
        """Tick at once if the last tick left a job waiting for a slot."""
        if self._has_waiting:
            self.request_dispatch()

    async def _step(self) -> Wait | None:
        tick = await self._dispatch()
        self._has_waiting = tick.leaves_waiting
        self._busy = self._busy + 1 if tick.is_busy else 0
        if tick.is_busy:
            # The other process may have picked before our request was committed.
            return Wait(_WHEN_BUSY.delay(self._busy), wakeable=False)
        return Wait(0.0) if tick.has_more else None
