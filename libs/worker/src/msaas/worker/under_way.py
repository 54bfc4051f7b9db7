"""The runs of a process that are under way: their leases, and whoever wants one of them to end."""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast
from uuid import UUID

from msaas.contracts import (
    CancelRequested,
    JobEnvelope,
    JobHeartbeat,
    Message,
    Topic,
    VisitedPlace,
)
from msaas.kernel import Clock, DependencyUnavailable, Overloaded
from msaas.messaging import Delivery, Messenger
from msaas.telemetry import get_logger
from msaas.worker.pulse import Pulse

RESULTS = "jobs.results"
CONTROL = "jobs.control"
OUTSIDE = (DependencyUnavailable, Overloaded)


@dataclass(slots=True, eq=False)
class Current:
    """A run that is under way, and whether somebody wants it to end."""

    delivery: Delivery
    envelope: JobEnvelope
    task: asyncio.Task[object]
    started_at: datetime | None = None
    timings: dict[str, int] = field(default_factory=dict[str, int])
    network: list[VisitedPlace] = field(default_factory=list[VisitedPlace])
    is_cancelled: bool = False
    news: Message | None = None

    def cancel(self) -> None:
        if not self.is_cancelled:
            self.is_cancelled = True
            self.task.cancel()


class UnderWay:
    def __init__(self, messenger: Messenger, clock: Clock) -> None:
        self._messenger = messenger
        self._runs: dict[UUID, Current] = {}
        self._pulse = Pulse(self._beat, clock)
        self._log = get_logger()
        messenger.tail([CONTROL], self._on_control, self._end_cancelled)

    def __contains__(self, fence: UUID) -> bool:
        return fence in self._runs

    @contextmanager
    def enter(self, delivery: Delivery, envelope: JobEnvelope) -> Generator[Current]:
        """Let a cancellation reach the run from before its mark is looked for until its verdict."""
        task = cast("asyncio.Task[object]", asyncio.current_task())
        current = self._runs[envelope.fence] = Current(delivery, envelope, task)
        try:
            with self._pulse.beating():
                yield current
        finally:
            del self._runs[envelope.fence]
            if current.is_cancelled:
                task.uncancel()  # that was meant for the run, and the report is still to come

    async def tell(self, current: Current, message: Message) -> None:
        """Return once the message is on the wire."""
        await self._messenger.publisher.send(current.delivery.emit(RESULTS, message))

    async def _beat(self) -> None:
        """Keep all leases, and find what the broadcast may have failed to tell."""
        beats = [self._renew(one) for one in self._runs.values() if one.started_at]
        for error in await asyncio.gather(self._end_cancelled(), *beats, return_exceptions=True):
            # A wire that is away takes no beats; the run goes on, for its result is worth having.
            if isinstance(error, Exception) and not isinstance(error, OUTSIDE):
                self._log.error("job_beat_failed", exc_info=error)

    async def _renew(self, current: Current) -> None:
        job_id, fence = current.envelope.job_id, current.envelope.fence
        await self.tell(current, JobHeartbeat(job_id=job_id, fence=fence))

    async def _on_control(self, _topic: Topic, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            request = cast("CancelRequested", delivery.message)
            for current in self._runs.values():
                is_meant = request.fence in {None, current.envelope.fence}
                if is_meant and request.job_id == current.envelope.job_id:
                    current.cancel()

    async def _end_cancelled(self) -> None:
        """End what is marked: after a gap in the broadcast the marks tell what was said."""
        if not self._runs:
            return
        job_ids = {one.envelope.job_id for one in self._runs.values()}
        cancelled = await self._messenger.find_cancelled(job_ids)
        for current in self._runs.values():
            if current.envelope.job_id in cancelled:
                current.cancel()
