"""Merged reports: neither repeats nor their order matter."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from msaas.contracts import LossReason
from msaas.jobs.domain.reports import (
    DEFAULT_LEASE,
    RunFailure,
    RunKey,
    RunLoss,
    RunReport,
    RunSuccess,
    fold,
    merge,
)
from msaas.jobs.domain.settlement import RETRY_BASE, RETRY_CAP, retry_delay

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = RunKey(UUID(int=1), UUID(int=2))
START = RunReport(run=RUN, worker="w", started_at=NOW, lease=DEFAULT_LEASE)
HEARTBEAT = RunReport(run=RUN, lease=DEFAULT_LEASE * 2)
DONE = RunReport(
    run=RUN, started_at=NOW, success=RunSuccess(result="{}", finished_at=NOW, timings_ms={})
)
FAILED = RunReport(
    run=RUN,
    failure=RunFailure(reason="timeout", error="", retryable=True, finished_at=NOW, timings_ms={}),
)
LOST = RunReport(run=RUN, losses=frozenset({RunLoss(reason=LossReason.RECLAIMED)}))
STALE = RunReport(run=RUN, losses=frozenset({RunLoss(reason=LossReason.STALE)}))
REPORTS = st.sampled_from([START, HEARTBEAT, DONE, FAILED, LOST, STALE])


@given(st.lists(REPORTS, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(reports: list[RunReport], rng: object) -> None:
    again = [*reports, *reports]
    getattr(rng, "shuffle")(again)  # noqa: B009  # hypothesis gives a Random without a type
    assert fold(again) == fold(reports)


@given(REPORTS, REPORTS, REPORTS)
def test_it_does_not_matter_where_a_batch_is_cut(
    first: RunReport, second: RunReport, third: RunReport
) -> None:
    assert merge(merge(first, second), third) == merge(first, merge(second, third))


def test_the_last_progress_counts() -> None:
    half, most = ({"percent": percent, "message": None} for percent in (50, 90))
    reports = [RunReport(run=RUN, progress=item) for item in (half, most)]
    assert fold([*reports, HEARTBEAT])[RUN].progress == most


def test_each_run_is_folded_by_itself() -> None:
    other = RunKey(RUN.job_id, UUID(int=3))
    folded = fold([START, RunReport(run=other, lease=DEFAULT_LEASE), DONE])
    assert set(folded) == {RUN, other}
    assert folded[RUN].is_end
    assert folded[other].is_heartbeat
    assert folded[other].is_alive


@given(st.integers(1, 1_000), st.floats(0, 1))
def test_a_retry_waits_up_to_a_step_that_doubles(failures: int, draw: float) -> None:
    wait = retry_delay(failures, draw)
    assert timedelta(0) <= wait <= min(RETRY_CAP, RETRY_BASE * 2 ** min(failures - 1, 16))
