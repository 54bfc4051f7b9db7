"""The forecast whether a period's jobs last, from recent use."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.gateway.domain.forecasts import QuotaUsage, forecast

NOW = datetime(2026, 1, 11, tzinfo=UTC)
DAY = timedelta(days=1)


def usage(**changes: object) -> QuotaUsage:
    known = QuotaUsage(
        used=70,
        reserved=2,
        limit=100,
        resets_at=NOW + 20 * DAY,
        used_lately=28,
        lately_from=NOW - 7 * DAY,
    )
    return known._replace(**changes)


def test_who_uses_four_a_day_has_a_week_left() -> None:
    seen = forecast(usage(), NOW)
    assert seen == (4.0, 72 + 80, NOW + 7 * DAY)


def test_a_period_that_ends_first_is_not_exhausted() -> None:
    assert forecast(usage(resets_at=NOW + 5 * DAY), NOW).exhausted_at is None


def test_without_a_limit_nothing_is_exhausted() -> None:
    assert forecast(usage(limit=None), NOW).exhausted_at is None


def test_who_does_nothing_uses_nothing_up() -> None:
    assert forecast(usage(used_lately=0), NOW) == (0.0, 72, None)


def test_what_is_used_up_is_so_now() -> None:
    assert forecast(usage(used=98), NOW).exhausted_at == NOW


def test_one_job_in_the_first_minute_is_no_trend() -> None:
    young = usage(used=1, reserved=0, used_lately=1, lately_from=NOW - timedelta(minutes=1))
    assert forecast(young, NOW).per_day == pytest.approx(1)


@given(
    used=st.integers(0, 10**6),
    reserved=st.integers(0, 10**3),
    limit=st.none() | st.integers(0, 10**6),
    lately=st.integers(0, 10**6),
    left=st.timedeltas(timedelta(seconds=-60), timedelta(days=31)),
    seen=st.timedeltas(timedelta(), timedelta(days=7)),
)
def test_an_end_lies_between_now_and_the_reset(
    *, used: int, reserved: int, limit: int | None, lately: int, left: timedelta, seen: timedelta
) -> None:
    found = forecast(
        usage(
            used=used,
            reserved=reserved,
            limit=limit,
            used_lately=lately,
            resets_at=NOW + left,
            lately_from=NOW - seen,
        ),
        NOW,
    )
    assert found.expected >= used + reserved
    if found.exhausted_at is not None:
        assert NOW <= found.exhausted_at <= max(NOW, NOW + left) + timedelta(seconds=1)
