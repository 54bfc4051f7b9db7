"""Looks for jobs whose time has come, and says so; intake does the rest."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

from msaas.contracts import DeadlinePassed, WakeJob
from msaas.jobs.application.results_ports import OverdueJob, Publisher
from msaas.kernel import Clock
from msaas.telemetry import get_logger

TOPIC: Final = "jobs.commands"
SAY_AGAIN: Final = 30.0
"""Seconds until it is told once more: word of it may have gone with the wire."""

Look = Callable[[], Awaitable[Sequence[OverdueJob]]]


class WatchTimes:
    """Says `word` of each job that `look` finds."""

    def __init__(
        self,
        look: Look,
        word: type[DeadlinePassed | WakeJob],
        publisher: Publisher,
        clock: Clock,
    ) -> None:
        self._look = look
        self._word = word
        self._publisher = publisher
        self._clock = clock
        self._log = get_logger()
        self._said: dict[UUID, float] = {}

    async def __call__(self) -> None:
        overdue = await self._look()
        present = {one.job_id for one in overdue}
        self._said = {job_id: at for job_id, at in self._said.items() if job_id in present}
        now = self._clock.monotonic()
        for one in overdue:
            last = self._said.get(one.job_id)
            if last is not None and now - last < SAY_AGAIN:
                continue
            word = self._word(job_id=one.job_id, user_id=one.user_id)
            if await self._publisher.publish(TOPIC, word, correlation_id=one.correlation_id):
                self._said[one.job_id] = now
                self._log.info("job_time_reported", word=word.type_name(), job_id=str(one.job_id))
