"""A task that repeats one step until it is drained, whether the step succeeds or fails."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from msaas.kernel.retry import RetryPolicy

ReportFailure = Callable[[str, Exception, int], None]
"""Takes the task's name, the error, and how many steps have failed in a row."""


@dataclass(frozen=True, slots=True)
class Wait:
    """How long to wait before the next step; a wait that is not `wakeable` ignores `wake()`."""

    seconds: float
    wakeable: bool = True


Step = Callable[[], Awaitable[Wait | None]]


class PeriodicTask:
    """Runs `step` every `period` seconds, or after the wait that the step returns.

    A step that fails is reported and repeated after `backoff` (without one, after the period); more
    calls of `wake()` do not shorten that wait. `last_step` runs the step once more when draining.
    """

    def __init__(
        self,
        name: str,
        step: Step,
        *,
        period: float,
        report_failure: ReportFailure,
        backoff: RetryPolicy | None = None,
        last_step: bool = False,
    ) -> None:
        self.name: Final = name
        self._step = step
        self._period = period
        self._report_failure = report_failure
        self._backoff = backoff
        self._last_step = last_step
        self._failures = 0
        self._woken = asyncio.Event()
        self._draining = asyncio.Event()

    def wake(self) -> None:
        """Run the next step at once; calls during a step count as one."""
        self._woken.set()

    def drain(self) -> None:
        """End after the present step."""
        self._draining.set()
        self._woken.set()

    async def run(self) -> None:
        while not self._draining.is_set():
            self._woken.clear()
            await self._wait(await self._run_step())
        if self._last_step:
            await self._run_step()

    async def _run_step(self) -> Wait:
        try:
            wait = await self._step()
        except Exception as error:  # noqa: BLE001  # the task survives any failure of a step
            self._failures += 1
            self._report_failure(self.name, error, self._failures)
            if self._backoff is None:
                return Wait(self._period)
            return Wait(self._backoff.delay(self._failures), wakeable=False)
        self._failures = 0
        return wait or Wait(self._period)

    async def _wait(self, wait: Wait) -> None:
        event = self._woken if wait.wakeable else self._draining
        with suppress(TimeoutError):
            async with asyncio.timeout(wait.seconds):
                await event.wait()
