"""Publishes again what the wire may have lost: usage of late, and cancels that are still open."""

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID

from msaas.contracts import CancelRequested
from msaas.jobs.application.results_ports import (
    CancelMarker,
    Publisher,
    RepublishStore,
    RepublishTransaction,
    UsageToRepublish,
)
from msaas.jobs.application.usage_messages import build_usage_noted, build_usage_recorded
from msaas.jobs.domain.ledger_entries import LinkedEntry
from msaas.telemetry import get_logger

MAX_AGE: Final = timedelta(days=1)
CANCEL_MARK_TTL: Final = timedelta(minutes=15)
PAGE_SIZE: Final = 500
MAX_EVENTS: Final = 100_000
_START_CURSOR: Final = (UUID(int=0), 0)


class RepublishEvents:
    """Each epoch of the wire is served once, and each day; what is on its way is left alone."""

    def __init__(self, store: RepublishStore, broker: CancelMarker, publisher: Publisher) -> None:
        self._store = store
        self._broker = broker
        self._publisher = publisher
        self._log = get_logger()

    async def __call__(self, epoch: str) -> None:
        async with self._store.transaction() as transaction:
            last = await transaction.find_last()
            if last and last.epoch == epoch and last.age < MAX_AGE:
                return
            cancels = await self._republish_cancels(transaction)
            usage = await self._republish_usage(transaction)
            await transaction.commit(epoch)
        self._log.info("events_republished", epoch=epoch, cancels=cancels, usage=usage)

    async def _republish_cancels(self, transaction: RepublishTransaction) -> int:
        cancels = await transaction.list_open_cancels()
        if cancels:
            await self._broker.mark_cancelled([one.run.job_id for one in cancels], CANCEL_MARK_TTL)
        for one in cancels:
            await self._publisher.publish(
                "jobs.control",
                CancelRequested(job_id=one.run.job_id, fence=one.run.fence),
                correlation_id=one.correlation_id,
            )
        return len(cancels)

    async def _republish_usage(self, transaction: RepublishTransaction) -> int:
        """Stop where there is no room: whoever reads there is busy, and tomorrow comes."""
        published, after = 0, _START_CURSOR
        while published < MAX_EVENTS and (page := await transaction.list_usage(after, PAGE_SIZE)):
            entry_ids = await asyncio.gather(*map(self._publish_usage, page))
            published += sum(entry_id is not None for entry_id in entry_ids)
            if None in entry_ids:
                self._log.warning("usage_republish_stopped", told=published)
                break
            after = (page[-1].entry.subject_id, page[-1].entry.seq)
        return published

    async def _publish_usage(self, usage: UsageToRepublish) -> str | None:
        entry, cause = usage.entry, usage.correlation_id
        outgoing = (
            build_usage_noted(entry, cause)
            if isinstance(entry, LinkedEntry)
            else build_usage_recorded(entry, cause)
        )
        return await self._publisher.publish(
            outgoing.topic or "",
            outgoing.message,
            id=outgoing.id,
            correlation_id=usage.correlation_id,
        )
