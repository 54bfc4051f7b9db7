"""Timers of the service: frames to publish, and runs to wake again."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

from msaas.agents.application.run_ports import JobWaker
from msaas.agents.application.stores import ApprovalStore, FrameOutbox, RunStore
from msaas.contracts import Message
from msaas.kernel import Clock, Wait

PublishFrame = Callable[[Message], Awaitable[None]]
MAX_FRAMES: Final = 200
MAX_RUNS: Final = 100
QUIET: Final = timedelta(minutes=10)


class PublishFramesTask:
    """Publishes what is committed, in order; a frame is deleted once it is published."""

    def __init__(self, frames: FrameOutbox, publish: PublishFrame) -> None:
        self._frames = frames
        self._publish = publish

    async def __call__(self) -> Wait | None:
        claimed = await self._frames.claim(MAX_FRAMES)
        for frame in claimed:
            await self._publish(frame.message)
        if claimed:
            await self._frames.delete(claimed)
        return Wait(0.0) if len(claimed) == MAX_FRAMES else None


class WakeAnsweredTask:
    """Wakes the runs that were answered and wait on: a message may be lost, or come too early."""

    def __init__(self, approvals: ApprovalStore, waker: JobWaker) -> None:
        self._approvals = approvals
        self._waker = waker

    async def __call__(self) -> None:
        for question in await self._approvals.list_decided(MAX_RUNS):
            await self._waker.wake(question.run_id, question.user_id, answered=True)


class CheckQuietRunsTask:
    """Asks for the end of runs that have not changed for long: their jobs may have ended."""

    def __init__(self, runs: RunStore, waker: JobWaker, clock: Clock) -> None:
        self._runs = runs
        self._waker = waker
        self._clock = clock

    async def __call__(self) -> None:
        after: UUID | None = None
        while page := await self._runs.list_open(after, MAX_RUNS):
            for run in page:
                if self._clock.now() - run.updated_at > QUIET:
                    await self._waker.wake(run.run_id, run.user_id, answered=False)
            after = page[-1].run_id
