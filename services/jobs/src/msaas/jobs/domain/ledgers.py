"""A subject's counters and chain of usage while billing events are applied to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from msaas.contracts import SubscriptionChanged, UsageReconciled, usage_hash
from msaas.jobs.domain.errors import CorrectionTooLarge, PeriodNotFound
from msaas.jobs.domain.quota import Quota
from msaas.jobs.domain.subjects import BillingSubject, UsageCounter
from msaas.jobs.domain.subscriptions import apply_subscription_change

NO_JOB: Final = UUID(int=0)


class LedgerEntryKind(StrEnum):
    PLAN_CHANGED = "plan_changed"
    USAGE_REPORTED = "stripe_usage_reported"
    ADJUSTED = "reconciliation_adjustment"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """An entry that charges nothing, such as a plan change; there is one for each `key`."""

    kind: LedgerEntryKind
    key: str
    quantity: int = 0
    period_start: datetime
    details: Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedEntry:
    """An entry at its position in the chain."""

    subject_id: UUID
    seq: int
    kind: LedgerEntryKind
    quantity: int
    period_start: datetime
    occurred_at: datetime
    prev_hash: str
    hash: str


@dataclass(slots=True, kw_only=True)
class Ledger:
    """`counters` and `corrections` are by the start of their period."""

    subject: BillingSubject
    counters: dict[datetime, UsageCounter]
    last_seq: int
    head: str
    changed_periods: set[datetime] = field(default_factory=set[datetime])
    corrections: dict[datetime, int] = field(default_factory=dict[datetime, int])

    @property
    def id(self) -> UUID:
        return self.subject.subject_id

    def apply(self, change: SubscriptionChanged, now: datetime) -> bool:
        """Return whether the change is newer than what is known."""
        applied = apply_subscription_change(self.subject, change, now)
        if applied.subject is self.subject:
            return False
        self.subject = applied.subject
        if (closed := applied.closed_period) and closed.start in self.counters:
            self._put_counter(self.counters[closed.start]._replace(period=closed))
        self._put_counter(self._build_current_counter())
        return True

    def correct(self, reconciliation: UsageReconciled) -> None:
        counter = self.counters.get(reconciliation.period_start)
        if counter is None:
            raise PeriodNotFound(period_start=reconciliation.period_start.isoformat())
        used = counter.quota.used + reconciliation.quantity
        if used < 0:
            raise CorrectionTooLarge(used=counter.quota.used, quantity=reconciliation.quantity)
        corrected = counter._replace(quota=replace(counter.quota, used=used))
        self.counters[reconciliation.period_start] = corrected
        so_far = self.corrections.get(reconciliation.period_start, 0)
        self.corrections[reconciliation.period_start] = so_far + reconciliation.quantity

    def append(self, entry: LedgerEntry, at: datetime) -> LinkedEntry:
        seq = self.last_seq + 1
        linked = LinkedEntry(
            subject_id=self.id,
            seq=seq,
            kind=entry.kind,
            quantity=entry.quantity,
            period_start=entry.period_start,
            occurred_at=at,
            prev_hash=self.head,
            hash=usage_hash(self.id, seq, NO_JOB, entry.quantity, at, self.head),
        )
        self.last_seq, self.head = linked.seq, linked.hash
        return linked

    def _build_current_counter(self) -> UsageCounter:
        subject = self.subject
        known = self.counters.get(subject.period.start)
        limit = subject.find_limit(self.counters.values())
        quota = replace(known.quota, limit=limit) if known else Quota(limit=limit)
        return UsageCounter(subject.plan, subject.period, quota)

    def _put_counter(self, counter: UsageCounter) -> None:
        self.counters[counter.period.start] = counter
        self.changed_periods.add(counter.period.start)
