"""Looks for runs whose time is over, and says so; what follows is for the results' handler."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from msaas.contracts import JobLost, LossReason, get_task
from msaas.jobs.application.results_ports import (
    LeaseStore,
    Overdue,
    OverdueRun,
    Presence,
    Publisher,
)
from msaas.kernel import Clock
from msaas.telemetry import Metrics, get_logger

TOPIC: Final = "jobs.results"
UNHEARD: Final = timedelta(seconds=10)
UNCANCELLED: Final = timedelta(seconds=10)
LOOK_AGAIN: Final = 5.0
"""Seconds until an entry that was there is looked for again."""

_PAGE: Final = 500


class _Word(NamedTuple):
    """What can be said of a run once: that this lease of it ended, or that it is no more."""

    fence: UUID
    lease_until: datetime | None


class SweepLeases:
    """Says each loss once: again only when the last word of it is off the wire without effect."""

    def __init__(
        self,
        store: LeaseStore,
        wire: Presence,
        publisher: Publisher,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._store = store
        self._wire = wire
        self._publisher = publisher
        self._clock = clock
        self._log = get_logger()
        self._said = metrics.counter(
            "msaas_losses_reported_total", "Losses that the sweeper reported.", ("why",)
        )
        self._outstanding: dict[_Word, str] = {}
        self._looked: dict[UUID, float] = {}

    async def __call__(self) -> None:
        overdue = await self._store.list_overdue(unheard=UNHEARD, uncancelled=UNCANCELLED)
        self._forget(overdue)
        handed_out = [one for one in overdue if one.why is Overdue.ENTRY]
        ended = [one for one in overdue if one.why is not Overdue.ENTRY]
        lost = await self._find_unsaid([*ended, *await self._find_missing(handed_out)])
        for one in lost:
            await self._say(one)

    def _forget(self, overdue: Iterable[OverdueRun]) -> None:
        """Remember nothing of runs that are no longer overdue."""
        fences = {one.run.fence for one in overdue}
        self._outstanding = {
            word: entry_id for word, entry_id in self._outstanding.items() if word.fence in fences
        }
        self._looked = {f: at for f, at in self._looked.items() if f in fences}

    async def _find_missing(self, handed_out: Sequence[OverdueRun]) -> list[OverdueRun]:
        """Of those that nobody has begun, find the ones that no worker can come by any more."""
        now = self._clock.monotonic()
        missing = [one for one in handed_out if one.entry_id is None]
        by_topic: dict[str, list[OverdueRun]] = defaultdict(list)
        for one in handed_out:
            last = self._looked.get(one.run.fence)
            if one.entry_id and (last is None or now - last >= LOOK_AGAIN):
                by_topic[get_task(one.task_type).topic].append(one)
        for topic, some in by_topic.items():
            there = await self._find(topic, [str(one.entry_id) for one in some])
            missing += [one for one in some if one.entry_id not in there]
            self._looked |= {one.run.fence: now for one in some if one.entry_id in there}
        return missing

    async def _find_unsaid(self, lost: Sequence[OverdueRun]) -> list[OverdueRun]:
        said = {_word_of(one) for one in lost} & self._outstanding.keys()
        unread = await self._find(TOPIC, [self._outstanding[word] for word in said])
        return [one for one in lost if self._outstanding.get(_word_of(one)) not in unread]

    async def _find(self, topic: str, entry_ids: Sequence[str]) -> frozenset[str]:
        found: set[str] = set()
        for start in range(0, len(entry_ids), _PAGE):
            found |= await self._wire.find_on_wire(topic, entry_ids[start : start + _PAGE])
        return frozenset(found)

    async def _say(self, one: OverdueRun) -> None:
        """Behind all that workers have said so far, so that it is judged after all of it."""
        word = _word_of(one)
        reason = LossReason.STALE if word.lease_until is None else LossReason.LEASE_EXPIRED
        loss = JobLost(
            job_id=one.run.job_id, fence=word.fence, reason=reason, lease_until=word.lease_until
        )
        entry_id = await self._publisher.publish(TOPIC, loss, correlation_id=one.correlation_id)
        if entry_id is None:
            return
        self._outstanding[word] = entry_id
        self._said.labels(one.why).inc()
        self._log.info("loss_reported", job_id=str(one.run.job_id), why=one.why)


def _word_of(one: OverdueRun) -> _Word:
    return _Word(one.run.fence, one.lease_until if one.why is Overdue.LEASE else None)
