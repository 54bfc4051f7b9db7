"""The topic jobs.outcomes: how the children of runs, and the runs' own jobs, have ended."""

from collections.abc import Sequence
from typing import Final

from msaas.agents.application.take_outcomes import TakeOutcomes
from msaas.contracts import JobOutcome
from msaas.messaging import Delivery, OutgoingMessage

TOPIC: Final = "jobs.outcomes"
MAX_BATCH: Final = 50


class OutcomesHandler:
    def __init__(self, take: TakeOutcomes) -> None:
        self._take = take

    async def __call__(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        outcomes = [each.message for each in batch if isinstance(each.message, JobOutcome)]
        await self._take(outcomes)
        return []
