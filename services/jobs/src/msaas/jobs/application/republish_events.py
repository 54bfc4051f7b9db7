"""Publishes again what Redis may have lost: usage, open cancels, and outcomes of children."""

import asyncio
from datetime import timedelta
from typing import Final, NamedTuple
from uuid import UUID

from msaas.contracts import CancelRequested
from msaas.jobs.application.child_outcomes import ChildOutcomes
from msaas.jobs.application.events import build_usage_noted, build_usage_recorded
from msaas.jobs.application.ports import EntryQueue, Publisher
from msaas.jobs.application.results_ports import (
    RepublishStore,
    RepublishTransaction,
    UsageCursor,
    UsageToRepublish,
)
from msaas.jobs.domain.ledgers import LinkedEntry
from msaas.telemetry import get_logger

MAX_AGE: Final = timedelta(days=1)
CANCEL_MARK_TTL: Final = timedelta(minutes=15)
PAGE_SIZE: Final = 500
MAX_EVENTS: Final = 100_000
MAX_OUTCOMES: Final = 10_000
_START_CURSOR: Final = (UUID(int=0), 0)


class _RepublishedUsage(NamedTuple):
    """`cursor` is where to go on, if not at the end; `is_stopped`: the topic is full."""

    published: int
    cursor: UsageCursor | None
    is_stopped: bool = False


class RepublishEvents:
    """Runs once for each epoch of the broker, and once a day; dispatch is left to the sweeper."""

    def __init__(
        self,
        store: RepublishStore,
        entries: EntryQueue,
        publisher: Publisher,
        child_outcomes: ChildOutcomes | None = None,
    ) -> None:
        self._child_outcomes = child_outcomes or ChildOutcomes()
        self._store = store
        self._entries = entries
        self._publisher = publisher
        self._log = get_logger()

    async def __call__(self, epoch: str) -> None:
        """Publish in steps, each a transaction that stores how far it came."""
        while await self._step(epoch):
            pass

    async def _step(self, epoch: str) -> bool:
        """Return whether more can be published now."""
        async with self._store.begin() as transaction:
            last = await transaction.lock()
            cursor = last.cursor if last and last.epoch == epoch else None
            if last and last.epoch == epoch and cursor is None and last.age < MAX_AGE:
                return False
            cancels = 0 if cursor else await self._republish_cancels(transaction)
            outcomes = 0 if cursor else await self._republish_outcomes(transaction)
            usage = await self._republish_usage(transaction, cursor or _START_CURSOR)
            await transaction.store(epoch, usage.cursor)
        counts = {"cancels": cancels, "outcomes": outcomes, "usage": usage.published}
        self._log.info("events_republished", epoch=epoch, **counts)
        return usage.cursor is not None and not usage.is_stopped

    async def _republish_cancels(self, transaction: RepublishTransaction) -> int:
        cancels = await transaction.list_open_cancels()
        if cancels:
            await self._entries.mark_cancelled(
                [cancel.run.job_id for cancel in cancels], CANCEL_MARK_TTL
            )
        for cancel in cancels:
            await self._publisher.publish(
                "jobs.control",
                CancelRequested(job_id=cancel.run.job_id, fence=cancel.run.fence),
                correlation_id=cancel.correlation_id,
            )
        return len(cancels)

    async def _republish_outcomes(self, transaction: RepublishTransaction) -> int:
        ended = await transaction.list_ended_children(MAX_OUTCOMES)
        messages = await self._child_outcomes.build(ended, {})
        for outgoing in messages:
            await self._publisher.publish(
                outgoing.topic or "",
                outgoing.message,
                id=outgoing.id,
                correlation_id=outgoing.correlation_id or "",
            )
        return len(messages)

    async def _republish_usage(
        self, transaction: RepublishTransaction, after: UsageCursor
    ) -> _RepublishedUsage:
        """Stop at a full topic: its consumer is busy, and the next call resumes at the cursor."""
        published = 0
        while page := await transaction.list_usage(after, PAGE_SIZE):
            if published >= MAX_EVENTS:
                return _RepublishedUsage(published, after)
            entry_ids = await asyncio.gather(*map(self._publish_usage, page))
            published += sum(entry_id is not None for entry_id in entry_ids)
            if None in entry_ids:
                self._log.warning("usage_republish_stopped", count=published)
                return _RepublishedUsage(published, after, is_stopped=True)
            after = (page[-1].entry.subject_id, page[-1].entry.seq)
        return _RepublishedUsage(published, None)

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
