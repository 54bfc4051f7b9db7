"""Finds jobs whose time has come and sends a command for each; intake does the rest."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

from msaas.contracts import DeadlinePassed, WakeJob
from msaas.jobs.application.ports import Publisher
from msaas.jobs.application.results_ports import DueJob
from msaas.kernel import Clock
from msaas.telemetry import get_logger

TOPIC: Final = "jobs.commands"
REPEAT_AFTER: Final = 30.0
"""Seconds until the command is sent again: Redis may have lost the first one."""

ListDueJobs = Callable[[], Awaitable[Sequence[DueJob]]]


class DueJobsTask:
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
        due = await self._list_due()
        present = {job.job_id for job in due}
        self._reported_at = {
            job_id: at for job_id, at in self._reported_at.items() if job_id in present
        }
        now = self._clock.monotonic()
        for job in due:
            last = self._reported_at.get(job.job_id)
            if last is not None and now - last < REPEAT_AFTER:
                continue
            command = self._command_type(job_id=job.job_id, user_id=job.user_id)
            if await self._publisher.publish(TOPIC, command, correlation_id=job.correlation_id):
                self._reported_at[job.job_id] = now
                name, job_id = command.type_name(), str(job.job_id)
                self._log.info("due_job_reported", command=name, job_id=job_id)
