"""The active runs of a process: their heartbeats and their cancellation."""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
from msaas.worker.cancellation import find_cancelled
from msaas.worker.heartbeat_loop import HeartbeatLoop

RESULTS_TOPIC = "jobs.results"
CONTROL_TOPIC = "jobs.control"
DEPENDENCY_ERRORS = (DependencyUnavailable, Overloaded)


@dataclass(slots=True, eq=False)
class ActiveRun:
    """One active run, how far this host's clock is ahead, and whether the run was cancelled."""

    delivery: Delivery
    envelope: JobEnvelope
    task: asyncio.Task[object]
    started_at: datetime | None = None
    clock_lead: timedelta = timedelta(0)
    timings: dict[str, int] = field(default_factory=dict[str, int])
    network: list[VisitedPlace] = field(default_factory=list[VisitedPlace])
    is_cancelled: bool = False
    extra_message: Message | None = None

    def cancel(self) -> None:
        if not self.is_cancelled:
            self.is_cancelled = True
            self.task.cancel()


class ActiveRuns:
    def __init__(self, messenger: Messenger, clock: Clock) -> None:
        self._messenger = messenger
        self._runs: dict[UUID, ActiveRun] = {}
        self._heartbeat_loop = HeartbeatLoop(self._send_heartbeats, clock)
        self._log = get_logger()
        messenger.tail_log([CONTROL_TOPIC], self._on_cancel_requested, self._cancel_marked_runs)

    def __contains__(self, fence: UUID) -> bool:
        return fence in self._runs

    @contextmanager
    def track(self, delivery: Delivery, envelope: JobEnvelope) -> Generator[ActiveRun]:
        """Make the run cancellable, from before its marker is looked up until its outcome."""
        task = cast("asyncio.Task[object]", asyncio.current_task())
        current = self._runs[envelope.fence] = ActiveRun(delivery, envelope, task)
        try:
            with self._heartbeat_loop.run_active():
                yield current
        finally:
            del self._runs[envelope.fence]
            if current.is_cancelled:
                task.uncancel()  # only the run was cancelled; its outcome is still to be reported

    async def publish(self, current: ActiveRun, message: Message) -> None:
        """Return once the message is published."""
        await self._messenger.publisher.send(current.delivery.emit(RESULTS_TOPIC, message))

    async def _send_heartbeats(self) -> None:
        """Send all heartbeats, and find cancellations that the broadcast missed."""
        heartbeats = [
            self._send_heartbeat(current) for current in self._runs.values() if current.started_at
        ]
        for error in await asyncio.gather(
            self._cancel_marked_runs(), *heartbeats, return_exceptions=True
        ):
            # The run continues while Redis is unavailable: a late result is accepted.
            if isinstance(error, Exception) and not isinstance(error, DEPENDENCY_ERRORS):
                self._log.error("job_heartbeat_failed", exc_info=error)

    async def _send_heartbeat(self, current: ActiveRun) -> None:
        job_id, fence = current.envelope.job_id, current.envelope.fence
        await self.publish(current, JobHeartbeat(job_id=job_id, fence=fence))

    async def _on_cancel_requested(self, _topic: Topic, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            request = cast("CancelRequested", delivery.message)
            for current in self._runs.values():
                is_same_run = request.fence in {None, current.envelope.fence}
                if is_same_run and request.job_id == current.envelope.job_id:
                    current.cancel()

    async def _cancel_marked_runs(self) -> None:
        """Cancel the runs whose jobs are marked; needed after a gap in the broadcast."""
        if not self._runs:
            return
        job_ids = {current.envelope.job_id for current in self._runs.values()}
        cancelled = await find_cancelled(self._messenger, job_ids)
        for current in self._runs.values():
            if current.envelope.job_id in cancelled:
                current.cancel()
