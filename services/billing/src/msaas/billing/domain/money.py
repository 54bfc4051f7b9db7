"""Amounts in the smallest unit of a currency: what a period costs, to the cent."""

from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Final

from msaas.contracts import Plan

DECEMBER: Final = 12


def round_amount(amount: Decimal) -> int:
    """Round half away from zero, as invoices are rounded: once per line."""
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def price_units(unit_amount: Decimal, quantity: int) -> int:
    return round_amount(unit_amount * quantity)


def prorate(amount: int, part: int, whole: int) -> int:
    """Return the share of an amount for a part of a period, both in seconds."""
    share = Fraction(amount * part, whole)
    rounded = (2 * abs(share.numerator) + share.denominator) // (2 * share.denominator)
    return rounded if share >= 0 else -rounded


@dataclass(frozen=True, slots=True)
class Rates:
    """The prices of a plan: for a period in advance, and for each job."""

    plan: Plan
    flat: int
    unit_amount: Decimal


@dataclass(frozen=True, slots=True)
class Units:
    """Jobs that count at a time: that of their completion, or of the report that holds them."""

    at: datetime
    quantity: int


@dataclass(frozen=True, slots=True)
class Span:
    start: datetime
    end: datetime

    def __contains__(self, at: datetime) -> bool:
        return self.start <= at < self.end

    @property
    def seconds(self) -> int:
        return int((self.end - self.start).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPeriod:
    """The present period of a subscription.

    `usage_from` is when usage was last invoiced within it. `following` are the rates of the next
    period; None where none follows. In a trial nothing is charged.
    """

    span: Span
    rates: Rates
    following: Rates | None
    usage_from: datetime
    is_trial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewLine:
    kind: str
    plan: Plan
    amount: int
    span: Span
    quantity: int = 1
    unit_amount: Decimal | None = None


def preview_period(
    period: OpenPeriod, units: Sequence[Units], next_end: datetime
) -> Iterator[PreviewLine]:
    """List what the invoice at the period's end will charge, whose next period ends `next_end`.

    It charges the usage that no invoice has charged yet, and the next period in advance.
    """
    used = Span(period.usage_from, period.span.end)
    quantity = sum(each.quantity for each in units if each.at in used)
    if not period.is_trial and used.start < used.end:
        unit_amount = period.rates.unit_amount
        yield PreviewLine(
            kind="metered",
            plan=period.rates.plan,
            amount=price_units(unit_amount, quantity),
            span=used,
            quantity=quantity,
            unit_amount=unit_amount,
        )
    if period.following is not None:
        following = period.following
        span = Span(period.span.end, next_end)
        yield PreviewLine(kind="flat", plan=following.plan, amount=following.flat, span=span)


def preview_upgrade(
    period: OpenPeriod, to: Rates, units: Sequence[Units], at: datetime
) -> Iterator[PreviewLine]:
    """List what an upgrade charges at once: usage so far, and the difference for the rest."""
    if period.is_trial:
        return
    used, rest = Span(period.usage_from, at), Span(at, period.span.end)
    quantity = sum(each.quantity for each in units if each.at in used)
    if used.start < used.end:
        unit_amount = period.rates.unit_amount
        yield PreviewLine(
            kind="metered",
            plan=period.rates.plan,
            amount=price_units(unit_amount, quantity),
            span=used,
            quantity=quantity,
            unit_amount=unit_amount,
        )
    for rates, sign in ((period.rates, -1), (to, 1)):
        share = prorate(rates.flat, rest.seconds, period.span.seconds)
        yield PreviewLine(kind="proration", plan=rates.plan, amount=sign * share, span=rest)


def next_period_end(anchor: datetime, end: datetime) -> datetime:
    """Return the end of the month that begins at `end`, in UTC.

    Months are counted from the anchor's day; one without that day ends with its last.
    """
    year, month = (end.year, end.month + 1) if end.month < DECEMBER else (end.year + 1, 1)
    day = min(anchor.day, monthrange(year, month)[1])
    return anchor.replace(year=year, month=month, day=day)


def total_of(lines: Sequence[PreviewLine]) -> int:
    return sum(line.amount for line in lines)
