"""Publishes again what the wire may have lost: usage of late, and cancels that are still open."""

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID

from msaas.contracts import CancelRequested
from msaas.jobs.application.results_ports import (
    CancelMarks,
    FactStore,
    Publisher,
    RecordedUsage,
    Serving,
)
from msaas.jobs.application.usage_facts import noted, recorded
from msaas.jobs.domain.noting import UsageNote
from msaas.telemetry import get_logger

ANYWAY_AFTER: Final = timedelta(days=1)
MARK_FOR: Final = timedelta(minutes=15)
PAGE: Final = 500
MOST: Final = 100_000
_BEFORE_ALL: Final = (UUID(int=0), 0)


class RepublishFacts:
    """Each epoch of the wire is served once, and each day; what is on its way is left alone."""

    def __init__(self, store: FactStore, wire: CancelMarks, publisher: Publisher) -> None:
        self._store = store
        self._wire = wire
        self._publisher = publisher
        self._log = get_logger()

    async def __call__(self, epoch: str) -> None:
        async with self._store.serving() as serving:
            served = await serving.find_served()
            if served and served.epoch == epoch and served.age < ANYWAY_AFTER:
                return
            cancels = await self._ask_again(serving)
            usage = await self._tell_usage(serving)
            await serving.commit(epoch)
        self._log.info("facts_republished", epoch=epoch, cancels=cancels, usage=usage)

    async def _ask_again(self, serving: Serving) -> int:
        cancels = await serving.list_open_cancels()
        if cancels:
            await self._wire.mark_cancelled([one.run.job_id for one in cancels], MARK_FOR)
        for one in cancels:
            await self._publisher.publish(
                "jobs.control",
                CancelRequested(job_id=one.run.job_id, fence=one.run.fence),
                correlation_id=one.correlation_id,
            )
        return len(cancels)

    async def _tell_usage(self, serving: Serving) -> int:
        """Stop where there is no room: whoever reads there is busy, and tomorrow comes."""
        told, after = 0, _BEFORE_ALL
        while told < MOST and (page := await serving.list_usage(after, PAGE)):
            entry_ids = await asyncio.gather(*map(self._tell, page))
            told += sum(entry_id is not None for entry_id in entry_ids)
            if None in entry_ids:
                self._log.warning("usage_republish_stopped", told=told)
                break
            after = (page[-1].fact.subject_id, page[-1].fact.seq)
        return told

    async def _tell(self, one: RecordedUsage) -> str | None:
        fact, cause = one.fact, one.correlation_id
        outgoing = noted(fact, cause) if isinstance(fact, UsageNote) else recorded(fact, cause)
        return await self._publisher.publish(
            outgoing.topic or "",
            outgoing.message,
            id=outgoing.id,
            correlation_id=one.correlation_id,
        )
