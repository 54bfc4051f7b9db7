"""Compares what was used, reported and received by Stripe, for a customer and a span of time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

from msaas.billing.domain.subscriptions import Subscription

REACH: Final = timedelta(days=62)
"""The present period and the one before it."""


class FindingKind(StrEnum):
    USAGE = "usage"
    COUNTER = "counter"
    SUBSCRIPTION = "subscription"
    CUSTOMER = "customer"


class Outcome(StrEnum):
    EQUAL = "equal"
    IN_FLIGHT = "in_flight"  # what differs is on its way, or too recent for the summaries
    OURS_AHEAD = "ours_ahead"  # Stripe lacks units that we have reported
    STRIPE_AHEAD = "stripe_ahead"  # Stripe has units that we have not reported
    INCONSISTENT = "inconsistent"  # our own records disagree


@dataclass(frozen=True, slots=True)
class Window:
    """A span on boundaries of minutes, which the summaries require; its end is exclusive."""

    start: datetime
    end: datetime

    def __contains__(self, other: "Window") -> bool:
        return self.start <= other.start < self.end

    def split_days(self) -> "list[Window]":
        """Cut at midnight, UTC."""
        cuts = [self.start]
        while cuts[-1] < self.end:
            midnight = cuts[-1].replace(hour=0, minute=0) + timedelta(days=1)
            cuts.append(min(midnight, self.end))
        return [Window(start, end) for start, end in pairwise(cuts)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Units in a window by the time of the meter.

    `counted` is what jobs has counted, and None where only the rest is compared; `open` is in
    reports that are not answered yet or in none, `recent` in reports that the summaries may lack,
    `rejected` in reports that Stripe has refused.
    """

    counted: int | None
    events: int
    reported: int
    open: int
    recent: int
    rejected: int
    at_stripe: int


def judge(figures: Figures) -> Outcome:
    """Compare the four figures; what is on its way is no discrepancy."""
    ours = figures.reported + figures.open + figures.rejected
    if figures.events != ours or figures.counted not in {None, figures.events}:
        return Outcome.INCONSISTENT
    if figures.at_stripe > figures.reported + figures.open:
        return Outcome.STRIPE_AHEAD
    if figures.at_stripe < figures.reported - figures.recent or figures.rejected:
        return Outcome.OURS_AHEAD
    return Outcome.EQUAL if figures.at_stripe == figures.events else Outcome.IN_FLIGHT


def split_windows(boundaries: Iterable[datetime], now: datetime) -> list[Window]:
    """Tile the time from the first boundary until tomorrow; windows are cut at whole minutes."""
    floors = sorted({_floor(each) for each in boundaries if now - REACH <= each < now})
    cuts = [*floors, _floor(now) + timedelta(days=1)]
    return [Window(start, end) for start, end in pairwise(cuts)]


def _floor(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedPeriod:
    """A counter of jobs beside the entries of its quota period, both up to one entry of the chain.

    `is_same_chain`: whether that entry has the hash here that it has at jobs.
    """

    account_id: UUID
    period_start: datetime
    counted: int
    events: int
    last_seq: int
    is_same_chain: bool

    @property
    def is_equal(self) -> bool:
        return self.is_same_chain and self.counted == self.events


@dataclass(frozen=True, slots=True, kw_only=True)
class SentReport:
    """A report that Stripe has accepted long enough ago for its summaries."""

    id: UUID
    identifier: str
    quantity: int
    window: Window
    is_alone: bool
    is_invoiced: bool


def explains_loss(lost: Sequence[SentReport], missing: int) -> bool:
    """Return whether sending these reports again makes up for all that Stripe lacks."""
    return (
        bool(lost)
        and sum(report.quantity for report in lost) == missing
        and all(report.is_alone and not report.is_invoiced for report in lost)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    account_id: UUID
    kind: FindingKind
    outcome: Outcome
    window: Window | None = None
    figures: Figures | None = None
    evidence: dict[str, Any] = field(default_factory=dict[str, Any])
    lost: Sequence[SentReport] = ()
    is_healed: bool = False

    @property
    def is_discrepancy(self) -> bool:
        return self.outcome not in {Outcome.EQUAL, Outcome.IN_FLIGHT}


def compare_subscriptions(
    stored: Sequence[Subscription], found: Sequence[Subscription]
) -> dict[str, Any]:
    """Return what differs, by subscription; nothing where all is the same."""
    before, now = _describe(stored), _describe(found)
    return {
        id_: {"stored": before.get(id_), "at_stripe": now.get(id_)}
        for id_ in sorted({*before, *now})
        if before.get(id_) != now.get(id_)
    }


def _describe(subscriptions: Sequence[Subscription]) -> dict[str, list[str | None]]:
    return {
        each.id: [
            each.plan,
            each.status,
            each.period_start and each.period_start.isoformat(),
            each.period_end and each.period_end.isoformat(),
        ]
        for each in subscriptions
    }
