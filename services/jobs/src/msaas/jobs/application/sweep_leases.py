"""Finds runs whose time is over and reports them as lost; the results' handler decides."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from msaas.contracts import TASKS, JobLost, LossReason, get_task
from msaas.jobs.application.ports import EntryQueue, Publisher
from msaas.jobs.application.results_ports import LeaseStore, OverdueReason, OverdueRun
from msaas.kernel import Clock
from msaas.telemetry import Metrics, get_logger

TOPIC: Final = "jobs.results"
START_TIMEOUT: Final = timedelta(seconds=10)
CANCEL_TIMEOUT: Final = timedelta(seconds=10)
RECHECK_INTERVAL: Final = 5.0
"""Seconds until an entry that was found is looked up again."""

_PAGE_SIZE: Final = 500


class LossKey(NamedTuple):
    """A loss that is reported once: that this lease of the run ended, or that the run is gone."""

    fence: UUID
    lease_until: datetime | None


class SweepLeasesTask:
    """Reports each loss once, and again only after the last report was read without effect."""

    def __init__(
        self,
        store: LeaseStore,
        entries: EntryQueue,
        publisher: Publisher,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._store = store
        self._entries = entries
        self._publisher = publisher
        self._clock = clock
        self._log = get_logger()
        self._reported_total = metrics.counter(
            "msaas_losses_reported_total", "Losses that the sweeper reported.", ("reason",)
        )
        self._outstanding: dict[LossKey, str] = {}
        self._checked_at: dict[UUID, float] = {}

    async def __call__(self) -> None:
        overdue = await self._store.list_overdue(
            start_timeout=START_TIMEOUT, cancel_timeout=CANCEL_TIMEOUT
        )
        self._forget_others(overdue)
        dispatched = [
            run for run in overdue if run.reason is OverdueReason.ENTRY and self._is_known(run)
        ]
        ended = [run for run in overdue if run.reason is not OverdueReason.ENTRY]
        lost = [*ended, *await self._find_missing(dispatched)]
        for run in await self._find_unreported(lost):
            await self._report(run)

    def _forget_others(self, overdue: Iterable[OverdueRun]) -> None:
        """Remove runs that are no longer overdue."""
        fences = {run.run.fence for run in overdue}
        self._outstanding = {
            key: entry_id for key, entry_id in self._outstanding.items() if key.fence in fences
        }
        self._checked_at = {f: at for f, at in self._checked_at.items() if f in fences}

    def _is_known(self, run: OverdueRun) -> bool:
        """Leave a run of an unknown task, whose release was rolled back: it has no topic."""
        if run.task_type in TASKS:
            return True
        self._log.error("task_type_unknown", job_id=str(run.run.job_id), task_type=run.task_type)
        return False

    async def _find_missing(self, dispatched: Sequence[OverdueRun]) -> list[OverdueRun]:
        """Of the runs that no worker has begun, find those whose entry is gone."""
        now = self._clock.monotonic()
        missing = [run for run in dispatched if run.entry_id is None]
        by_topic: dict[str, list[OverdueRun]] = defaultdict(list)
        for run in dispatched:
            last = self._checked_at.get(run.run.fence)
            if run.entry_id and (last is None or now - last >= RECHECK_INTERVAL):
                by_topic[get_task(run.task_type).topic].append(run)
        for topic, runs in by_topic.items():
            found = await self._find_existing(topic, [str(run.entry_id) for run in runs])
            missing += [run for run in runs if run.entry_id not in found]
            self._checked_at |= {run.run.fence: now for run in runs if run.entry_id in found}
        return missing

    async def _find_unreported(self, lost: Sequence[OverdueRun]) -> list[OverdueRun]:
        reported = {_loss_key_of(run) for run in lost} & self._outstanding.keys()
        unread = await self._find_existing(TOPIC, [self._outstanding[key] for key in reported])
        return [run for run in lost if self._outstanding.get(_loss_key_of(run)) not in unread]

    async def _find_existing(self, topic: str, entry_ids: Sequence[str]) -> frozenset[str]:
        found: set[str] = set()
        for start in range(0, len(entry_ids), _PAGE_SIZE):
            found |= await self._entries.find_entries(topic, entry_ids[start : start + _PAGE_SIZE])
        return frozenset(found)

    async def _report(self, overdue_run: OverdueRun) -> None:
        """Publish behind all that workers have reported, so that it is decided after all of it."""
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
        self._log.info(
            "loss_reported", job_id=str(overdue_run.run.job_id), reason=overdue_run.reason
        )


def _loss_key_of(overdue_run: OverdueRun) -> LossKey:
    return LossKey(
        overdue_run.run.fence,
        overdue_run.lease_until if overdue_run.reason is OverdueReason.LEASE else None,
    )
