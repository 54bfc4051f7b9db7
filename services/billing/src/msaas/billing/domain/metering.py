"""How usage becomes reports to the meter, and what an unanswered report has become."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Final

from msaas.billing.domain.usage import UsageEvent
from msaas.contracts import usage_hash

LATE_AFTER: Final = timedelta(minutes=50)
"""Stripe finalises an invoice an hour after its period: usage that comes later counts in the next.

The rest of that hour is for sending.
"""

MAX_AGE: Final = timedelta(days=34)
"""Stripe accepts a timestamp of the last 35 days."""

RESEND_WINDOW: Final = timedelta(hours=23)
"""Stripe keeps an identifier unique for 24 hours: until then a report may be sent again."""

SETTLE_AFTER: Final = timedelta(hours=1)
"""The summaries hold what was accepted by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDraft:
    """`seqs` are the events that the report holds; `head` is the hash of the last one."""

    quantity: int
    meter_timestamp: datetime
    period_start: datetime
    seqs: tuple[int, ...]
    head: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledPeriod:
    """The present period of a subscription; without one usage keeps its own time."""

    start: datetime | None
    end: datetime | None

    def bill_at(self, occurred_at: datetime, now: datetime) -> datetime:
        """Return the meter timestamp: the usage's own, unless that period is invoiced already."""
        is_invoiced = (
            self.start is not None and occurred_at < self.start and now >= self.start + LATE_AFTER
        )
        at = self.start if is_invoiced and self.start else occurred_at
        return max(at, now - MAX_AGE).replace(microsecond=0)

    def count_boundaries(self, at: datetime) -> int:
        return sum(boundary is not None and boundary <= at for boundary in (self.start, self.end))

    def start_of(self, at: datetime, otherwise: datetime) -> datetime:
        reached = [each for each in (self.start, self.end) if each is not None and each <= at]
        return max(reached, default=otherwise)


def plan_reports(
    events: Sequence[UsageEvent], period: BilledPeriod, now: datetime
) -> Iterator[ReportDraft]:
    """Group consecutive usage; a group has one plan and lies in one billed period."""
    timed = [(event, period.bill_at(event.occurred_at, now)) for event in events]
    for _, members in groupby(timed, lambda one: (one[0].plan, period.count_boundaries(one[1]))):
        group = list(members)
        last = group[-1][0]
        at = max(timestamp for _, timestamp in group)
        yield ReportDraft(
            quantity=sum(event.quantity for event, _ in group),
            meter_timestamp=at,
            period_start=period.start_of(at, min(last.period_start, at)),
            seqs=tuple(event.seq for event, _ in group),
            head=last.hash,
        )


class Settlement(StrEnum):
    RECEIVED = "received"
    ABSENT = "absent"
    UNDECIDED = "undecided"


def settle(at_stripe: int, known: int, own: int, others: int) -> Settlement:
    """Decide from the meter's sum whether a report has arrived.

    `known` is what certainly arrived in the same window, `others` what is as uncertain as `own`.
    """
    if at_stripe == known:
        return Settlement.ABSENT
    if at_stripe == known + own + others:
        return Settlement.RECEIVED
    return Settlement.UNDECIDED


def window_of(timestamp: datetime) -> tuple[datetime, datetime]:
    """Return the minute of a timestamp: the smallest window that the summaries have."""
    start = timestamp.astimezone(UTC).replace(second=0, microsecond=0)
    return start, start + timedelta(minutes=1)


def is_genuine(event: UsageEvent) -> bool:
    """Return whether an entry's hash is that of its fields."""
    expected = usage_hash(
        event.subject_id,
        event.seq,
        event.hashed_job_id,
        event.quantity,
        event.occurred_at,
        event.prev_hash,
    )
    return expected == event.hash


@dataclass(frozen=True, slots=True)
class Link:
    seq: int
    prev_hash: str
    hash: str


def follow_chain(last_seq: int, head: str, links: Sequence[Link]) -> tuple[int, str]:
    """Go on from the head as far as the links are consecutive and each names the one before."""
    for link in links:
        if link.seq != last_seq + 1 or link.prev_hash != head:
            break
        last_seq, head = link.seq, link.hash
    return last_seq, head
