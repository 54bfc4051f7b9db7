"""A subject's counters and chain while what billing tells of it is applied."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from msaas.contracts import SubscriptionChanged, UsageReconciled
from msaas.jobs.domain.errors import CorrectionTooLarge, PeriodUnknown
from msaas.jobs.domain.noting import Remark, UsageNote, link
from msaas.jobs.domain.quota import Quota
from msaas.jobs.domain.subjects import Counted, Subject
from msaas.jobs.domain.subscriptions import apply


@dataclass(slots=True, kw_only=True)
class Ledger:
    """`counters` by the start of their period; `corrected` has those compared, and by how much."""

    subject: Subject
    counters: dict[datetime, Counted]
    last_seq: int
    head: str
    changed: set[datetime] = field(default_factory=set[datetime])
    corrected: dict[datetime, int] = field(default_factory=dict[datetime, int])

    @property
    def id(self) -> UUID:
        return self.subject.subject_id

    def apply(self, change: SubscriptionChanged, now: datetime) -> bool:
        """Return whether the change was news."""
        applied = apply(self.subject, change, now)
        if applied.subject is self.subject:
            return False
        self.subject = applied.subject
        if (closed := applied.closed) and closed.start in self.counters:
            self._write(self.counters[closed.start]._replace(period=closed))
        self._write(self._count_present())
        return True

    def correct(self, found: UsageReconciled) -> None:
        counter = self.counters.get(found.period_start)
        if counter is None:
            raise PeriodUnknown(period_start=found.period_start.isoformat())
        used = counter.quota.used + found.quantity
        if used < 0:
            raise CorrectionTooLarge(used=counter.quota.used, quantity=found.quantity)
        corrected = counter._replace(quota=replace(counter.quota, used=used))
        self.counters[found.period_start] = corrected
        so_far = self.corrected.get(found.period_start, 0)
        self.corrected[found.period_start] = so_far + found.quantity

    def note(self, remark: Remark, at: datetime) -> UsageNote:
        note = link(self.id, self.last_seq + 1, self.head, remark, at)
        self.last_seq, self.head = note.seq, note.hash
        return note

    def _count_present(self) -> Counted:
        subject = self.subject
        known = self.counters.get(subject.period.start)
        limit = subject.find_limit(self.counters.values())
        quota = replace(known.quota, limit=limit) if known else Quota(limit=limit)
        return Counted(subject.plan, subject.period, quota)

    def _write(self, counter: Counted) -> None:
        self.counters[counter.period.start] = counter
        self.changed.add(counter.period.start)
