"""When a period's jobs will be used up, if the user goes on as lately."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

LATELY: Final = timedelta(days=7)
_SHORTEST: Final = timedelta(days=1)
_DAY: Final = timedelta(days=1)


class Standing(NamedTuple):
    """What is used of a period, and how much of it lately: `used_lately` since `lately_from`."""

    used: int
    reserved: int
    limit: int | None
    resets_at: datetime
    used_lately: int
    lately_from: datetime


class Forecast(NamedTuple):
    """`exhausted_at` None is not before the period's end; `expected` is of the whole period."""

    per_day: float
    expected: int
    exhausted_at: datetime | None


def forecast(standing: Standing, now: datetime) -> Forecast:
    # A young period is taken for a day at least: one job in its first minute is no trend.
    seen = max(now - standing.lately_from, _SHORTEST)
    per_day = standing.used_lately / (seen / _DAY)
    left = max(standing.resets_at - now, timedelta())
    taken = standing.used + standing.reserved
    expected = taken + round(per_day * (left / _DAY))
    return Forecast(round(per_day, 2), expected, _find_end(standing, per_day, now))


def _find_end(standing: Standing, per_day: float, now: datetime) -> datetime | None:
    if standing.limit is None:
        return None
    room = standing.limit - standing.used - standing.reserved
    if room <= 0:
        return now
    left = (standing.resets_at - now) / _DAY
    if per_day * left < room:
        return None
    return now + _DAY * (room / per_day)
