"""Looks for runs whose time is over, and says so; what follows is for the results' handler."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from msaas.contracts import JobLost, LossReason, get_task
from msaas.jobs.application.results_ports import (
    EntryLookup,
    LeaseStore,
    OverdueReason,
    OverdueRun,
    Publisher,
)
from msaas.kernel import Clock
from msaas.telemetry import Metrics, get_logger

TOPIC: Final = "jobs.results"
START_TIMEOUT: Final = timedelta(seconds=10)
CANCEL_TIMEOUT: Final = timedelta(seconds=10)
RECHECK_INTERVAL: Final = 5.0
"""Seconds until an entry that was there is looked for again."""

_PAGE_SIZE: Final = 500


class LossKey(NamedTuple):
    """What can be said of a run once: that this lease of it ended, or that it is no more."""

    fence: UUID
    lease_until: datetime | None


class SweepLeasesTask:
    """Says each loss once: again only when the last word of it is off the wire without effect."""

    def __init__(
        self,
        store: LeaseStore,
        broker: EntryLookup,
        publisher: Publisher,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._store = store
        self._broker = broker
        self._publisher = publisher
        self._clock = clock
        self._log = get_logger()
        self._reported_total = metrics.counter(
            "msaas_losses_reported_total", "Losses that the sweeper reported.", ("why",)
        )
        self._outstanding: dict[LossKey, str] = {}
        self._checked_at: dict[UUID, float] = {}

    async def __call__(self) -> None:
        overdue = await self._store.list_overdue(
            start_timeout=START_TIMEOUT, cancel_timeout=CANCEL_TIMEOUT
        )
        self._forget(overdue)
        handed_out = [one for one in overdue if one.reason is OverdueReason.ENTRY]
        ended = [one for one in overdue if one.reason is not OverdueReason.ENTRY]
        lost = await self._find_unreported([*ended, *await self._find_missing(handed_out)])
        for one in lost:
            await self._report(one)

    def _forget(self, overdue: Iterable[OverdueRun]) -> None:
        """Remember nothing of runs that are no longer overdue."""
        fences = {one.run.fence for one in overdue}
        self._outstanding = {
            word: entry_id for word, entry_id in self._outstanding.items() if word.fence in fences
        }
        self._checked_at = {f: at for f, at in self._checked_at.items() if f in fences}

    async def _find_missing(self, handed_out: Sequence[OverdueRun]) -> list[OverdueRun]:
        """Of those that nobody has begun, find the ones that no worker can come by any more."""
        now = self._clock.monotonic()
        missing = [one for one in handed_out if one.entry_id is None]
        by_topic: dict[str, list[OverdueRun]] = defaultdict(list)
        for one in handed_out:
            last = self._checked_at.get(one.run.fence)
            if one.entry_id and (last is None or now - last >= RECHECK_INTERVAL):
                by_topic[get_task(one.task_type).topic].append(one)
        for topic, some in by_topic.items():
            found = await self._find_existing(topic, [str(one.entry_id) for one in some])
            missing += [one for one in some if one.entry_id not in found]
            self._checked_at |= {one.run.fence: now for one in some if one.entry_id in found}
        return missing

    async def _find_unreported(self, lost: Sequence[OverdueRun]) -> list[OverdueRun]:
        reported = {_loss_key_of(one) for one in lost} & self._outstanding.keys()
        unread = await self._find_existing(TOPIC, [self._outstanding[word] for word in reported])
        return [one for one in lost if self._outstanding.get(_loss_key_of(one)) not in unread]

    async def _find_existing(self, topic: str, entry_ids: Sequence[str]) -> frozenset[str]:
        found: set[str] = set()
        for start in range(0, len(entry_ids), _PAGE_SIZE):
            found |= await self._broker.find_entries(topic, entry_ids[start : start + _PAGE_SIZE])
        return frozenset(found)

    async def _report(self, overdue_run: OverdueRun) -> None:
        """Behind all that workers have said so far, so that it is judged after all of it."""
        key = _loss_key_of(overdue_run)
        reason = LossReason.STALE if key.lease_until is None else LossReason.LEASE_EXPIRED
        loss = JobLost(
            job_id=overdue_run.run.job_id,
            fence=key.fence,
            reason=reason,
            lease_until=key.lease_until,
        )
        entry_id = await self._publisher.publish(
            TOPIC, loss, correlation_id=overdue_run.correlation_id
        )
        if entry_id is None:
            return
        self._outstanding[key] = entry_id
        self._reported_total.labels(overdue_run.reason).inc()
        self._log.info("loss_reported", job_id=str(overdue_run.run.job_id), why=overdue_run.reason)


def _loss_key_of(overdue_run: OverdueRun) -> LossKey:
    return LossKey(
        overdue_run.run.fence,
        overdue_run.lease_until if overdue_run.reason is OverdueReason.LEASE else None,
    )
