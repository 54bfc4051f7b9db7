"""Looks for jobs whose time has come, and says so; intake does the rest."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

from msaas.contracts import DeadlinePassed, WakeJob
from msaas.jobs.application.results_ports import DueJob, Publisher
from msaas.kernel import Clock
from msaas.telemetry import get_logger

TOPIC: Final = "jobs.commands"
REPEAT_AFTER: Final = 30.0
"""Seconds until it is told once more: word of it may have gone with the wire."""

ListDueJobs = Callable[[], Awaitable[Sequence[DueJob]]]


class DueJobsTask:
    """Says `word` of each job that `look` finds."""

    def __init__(
        self,
        list_due: ListDueJobs,
        command_type: type[DeadlinePassed | WakeJob],
        publisher: Publisher,
        clock: Clock,
    ) -> None:
        self._list_due = list_due
        self._command_type = command_type
        self._publisher = publisher
        self._clock = clock
        self._log = get_logger()
        self._reported_at: dict[UUID, float] = {}

    async def __call__(self) -> None:
        overdue = await self._list_due()
        present = {one.job_id for one in overdue}
        self._reported_at = {
            job_id: at for job_id, at in self._reported_at.items() if job_id in present
        }
        now = self._clock.monotonic()
        for one in overdue:
            last = self._reported_at.get(one.job_id)
            if last is not None and now - last < REPEAT_AFTER:
                continue
            command = self._command_type(job_id=one.job_id, user_id=one.user_id)
            if await self._publisher.publish(TOPIC, command, correlation_id=one.correlation_id):
                self._reported_at[one.job_id] = now
                self._log.info("due_job_reported", word=command.type_name(), job_id=str(one.job_id))
