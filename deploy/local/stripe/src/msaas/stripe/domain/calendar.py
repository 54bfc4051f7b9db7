"""Billing periods: boundaries counted from an anchor, in UTC."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import Final

HOUR: Final = 3600
DAY: Final = 86_400
_DAYS: Final = {"day": 1, "week": 7}
_MONTHS: Final = {"month": 1, "year": 12}


def boundary(anchor: int, interval: str, count: int, number: int) -> int:
    """Return the start of period `number`; a month without the anchor's day ends at its last."""
    start = datetime.fromtimestamp(anchor, UTC)
    if interval in _DAYS:
        return int((start + timedelta(days=_DAYS[interval] * count * number)).timestamp())
    months = start.year * 12 + start.month - 1 + _MONTHS[interval] * count * number
    year, month = divmod(months, 12)
    day = min(start.day, monthrange(year, month + 1)[1])
    return int(start.replace(year=year, month=month + 1, day=day).timestamp())


def next_boundary(anchor: int, interval: str, count: int, after: int) -> int:
    """Return the first boundary later than `after`."""
    length = boundary(anchor, interval, count, 1) - anchor
    number = (after - anchor) // length - 1
    while (end := boundary(anchor, interval, count, number)) <= after:
        number += 1
    return end
