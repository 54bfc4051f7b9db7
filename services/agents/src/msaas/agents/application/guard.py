"""Looks before each effect of a run whether the run may go on."""

from typing import Final

from langgraph.runtime import RunControl

from msaas.agents.application.run_ports import Flags
from msaas.agents.domain.errors import CeilingReached
from msaas.agents.domain.runs import StoredRun
from msaas.kernel import Clock
from msaas.worker import ActionFailed, RunContext, RunReleased

FLAGS: Final = ("FF_AGENTS_ENABLED",)
CALL_SECONDS: Final = 130.0
"""A call of a model begins only where it can end, with its fallbacks, before the run's timeout."""

MIN_SLICE: Final = 60.0


class Guard:
    def __init__(
        self, run: RunContext, stored: StoredRun, flags: Flags, control: RunControl, clock: Clock
    ) -> None:
        self._run = run
        self._deadline = stored.deadline_at
        self._flags = flags
        self._control = control
        self._clock = clock
        self._seconds_at_start = run.seconds_left()

    async def check(self) -> None:
        """Raise where the run was cancelled, drains, is disabled, or has used up its time."""
        if self._control.drain_requested:
            raise RunReleased
        await self._run.raise_if_cancelled()
        if self._flags.find_disabled(FLAGS):
            message = "Workflows are currently disabled."
            raise ActionFailed("feature_flag_disabled", message, retryable=False)
        if self._clock.now() >= self._deadline:
            raise CeilingReached("seconds")

    @property
    def is_slice_over(self) -> bool:
        """Whether the run has to begin anew, with a new timeout, before its next call."""
        left = self._run.seconds_left()
        return left < CALL_SECONDS and self._seconds_at_start - left > MIN_SLICE
