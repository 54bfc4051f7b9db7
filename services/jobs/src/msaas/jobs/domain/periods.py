"""When a quota period begins and ends."""

from calendar import monthrange
from datetime import UTC, datetime
from typing import NamedTuple

from msaas.contracts import Plan


class Period(NamedTuple):
    start: datetime
    end: datetime


def open_period(plan: Plan, now: datetime, after: datetime | None = None) -> Period:
    """Find the period that contains `now` and begins no earlier than `after`, the last one's end.

    FREE counts by calendar month in UTC. For other plans the month is provisional: it follows the
    last period without a gap until the subscription corrects it.
    """
    if plan is Plan.FREE:
        month = first_of_month(now)
        return Period(max(month, after or month), _months_later(month, 1))
    anchor = after or now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    passed = 0
    while (end := _months_later(anchor, passed + 1)) <= now:
        passed += 1
    return Period(_months_later(anchor, passed), end)


def first_of_month(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _months_later(anchor: datetime, months: int) -> datetime:
    """Keep the day of the month if that month has it, else take its last day."""
    years, month = divmod(anchor.month - 1 + months, 12)
    year, month = anchor.year + years, month + 1
    return anchor.replace(year=year, month=month, day=min(anchor.day, monthrange(year, month)[1]))
