"""The outcome about four figures, and the spans of time that they are compared in."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.billing.domain.reconciliation import (
    REACH,
    Figures,
    Outcome,
    SentReport,
    Window,
    explains_loss,
    judge,
    split_windows,
)

NOW = datetime(2026, 12, 1, 0, 0, 30, tzinfo=UTC)
UNITS = st.integers(0, 50)


def build(
    reported: int,
    at_stripe: int,
    *,
    open: int = 0,  # noqa: A002  # the field's name
    recent: int = 0,
    rejected: int = 0,
    excess: int = 0,
    counted: int | None = None,
) -> Figures:
    return Figures(
        counted=counted,
        events=reported + open + rejected + excess,
        reported=reported,
        open=open,
        recent=recent,
        rejected=rejected,
        at_stripe=at_stripe,
    )


@pytest.mark.parametrize(
    ("figures", "outcome"),
    [
        (build(0, 0), Outcome.EQUAL),
        (build(7, 7), Outcome.EQUAL),
        (build(7, 7, counted=7), Outcome.EQUAL),
        (build(7, 7, open=2), Outcome.IN_FLIGHT),
        (build(7, 8, open=2), Outcome.IN_FLIGHT),
        (build(7, 4, recent=3), Outcome.IN_FLIGHT),
        (build(7, 3, recent=3), Outcome.OURS_AHEAD),
        (build(7, 6), Outcome.OURS_AHEAD),
        (build(7, 7, rejected=1), Outcome.OURS_AHEAD),
        (build(7, 8), Outcome.STRIPE_AHEAD),
        (build(7, 10, open=2), Outcome.STRIPE_AHEAD),
        (build(7, 7, excess=1), Outcome.INCONSISTENT),
        (build(7, 7, excess=-1), Outcome.INCONSISTENT),
        (build(7, 7, counted=8), Outcome.INCONSISTENT),
    ],
)
def test_four_figures_have_one_outcome(figures: Figures, outcome: Outcome) -> None:
    assert judge(figures) is outcome


@given(reported=UNITS, open_=UNITS, at_stripe=UNITS, recent=UNITS)
def test_only_what_is_on_its_way_may_differ(
    reported: int, open_: int, at_stripe: int, recent: int
) -> None:
    recent = min(recent, reported)
    outcome = judge(build(reported, at_stripe, open=open_, recent=recent))
    is_explained = reported - recent <= at_stripe <= reported + open_
    assert (outcome in {Outcome.EQUAL, Outcome.IN_FLIGHT}) == is_explained
    assert (outcome is Outcome.EQUAL) == (is_explained and at_stripe == reported + open_)


@given(st.lists(st.timedeltas(-timedelta(days=80), timedelta(days=40)), max_size=8))
def test_windows_tile_the_time_from_the_first_period_on(moves: list[timedelta]) -> None:
    boundaries = [NOW + move for move in moves]
    windows = split_windows(boundaries, NOW)
    known = [each for each in boundaries if NOW - REACH <= each < NOW]
    assert bool(windows) == bool(known)
    for before, after in pairwise(windows):
        assert before.end == after.start
    for window in windows:
        assert window.start.second == window.end.second == 0
        days = window.split_days()
        assert (days[0].start, days[-1].end) == (window.start, window.end)
        assert all(day.end - day.start <= timedelta(days=1) for day in days)
    assert not windows or windows[-1].end > NOW


def test_only_a_loss_that_is_explained_to_the_unit_is_healed() -> None:
    minute = Window(NOW, NOW + timedelta(minutes=1))

    def sent(quantity: int, *, is_alone: bool = True, is_invoiced: bool = False) -> SentReport:
        return SentReport(
            id=uuid4(),
            identifier="usage_1",
            quantity=quantity,
            window=minute,
            is_alone=is_alone,
            is_invoiced=is_invoiced,
        )

    assert explains_loss([sent(3), sent(4)], 7)
    assert not explains_loss([], 0)
    assert not explains_loss([sent(3)], 4)
    assert not explains_loss([sent(3, is_alone=False)], 3)
    assert not explains_loss([sent(3, is_invoiced=True)], 3)
