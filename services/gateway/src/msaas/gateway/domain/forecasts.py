"""Forecasts when a period's quota is used up at the recent rate."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

RECENT_WINDOW: Final = timedelta(days=7)
_MIN_WINDOW: Final = timedelta(days=1)
_DAY: Final = timedelta(days=1)


class QuotaUsage(NamedTuple):
    """The usage of a period; `used_lately` jobs of it since `lately_from`."""

    used: int
    reserved: int
    limit: int | None
    resets_at: datetime
    used_lately: int
    lately_from: datetime


class Forecast(NamedTuple):
    """`expected` is for the whole period; `exhausted_at` None means the quota lasts."""

    per_day: float
    expected: int
    exhausted_at: datetime | None


def forecast(usage: QuotaUsage, now: datetime) -> Forecast:
    # At least one day: one job in the first minute of a period is not a rate.
    window = max(now - usage.lately_from, _MIN_WINDOW)
    per_day = usage.used_lately / (window / _DAY)
    remaining_time = max(usage.resets_at - now, timedelta())
    taken = usage.used + usage.reserved
    expected = taken + round(per_day * (remaining_time / _DAY))
    return Forecast(round(per_day, 2), expected, _find_exhaustion(usage, per_day, now))


def _find_exhaustion(usage: QuotaUsage, per_day: float, now: datetime) -> datetime | None:
    if usage.limit is None:
        return None
    remaining_jobs = usage.limit - usage.used - usage.reserved
    if remaining_jobs <= 0:
        return now
    remaining_days = (usage.resets_at - now) / _DAY
    if per_day * remaining_days < remaining_jobs:
        return None
    return now + _DAY * (remaining_jobs / per_day)
