"""Why a job waits and when it should start, from its position in the queue."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.contracts import Plan
from msaas.gateway.domain.queue_estimates import QueuePosition, estimate_start

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def queue_position(**changes: Any) -> QueuePosition:
    """Stand first of a FREE user with both slots free, and nothing in the way."""
    position = QueuePosition(1, NOW, NOW, Plan.FREE, None, 0, False, None, False, 1_000, 10_000)  # noqa: FBT003  # a row of a view
    return position._replace(**changes)


def seconds(count: float) -> datetime:
    return NOW + timedelta(seconds=count)


@pytest.mark.parametrize(
    ("changes", "reason", "start"),
    [
        ({}, None, seconds(1)),
        ({"run_at": seconds(-60)}, None, NOW),
        ({"median_wait": None}, None, NOW),
        ({"slots_in_use": 2}, "plan_concurrency", seconds(10)),
        ({"position": 3}, "plan_concurrency", seconds(20)),
        ({"position": 4}, "plan_concurrency", seconds(20)),
        ({"position": 5}, "plan_concurrency", seconds(30)),
        ({"position": 5, "slots": 100}, None, seconds(1)),
        ({"position": 5, "plan": Plan.PRO}, None, seconds(1)),
        ({"slots_in_use": 2, "median_run": None}, "plan_concurrency", None),
        ({"slots": 0}, "plan_concurrency", None),
        ({"is_full": True}, "topic_window", seconds(1)),
        ({"is_full": True, "median_wait": None}, "topic_window", None),
        ({"is_full": True, "slots_in_use": 2}, "plan_concurrency", seconds(10)),
        ({"is_paused": True}, "paused", None),
        (
            {"is_paused": True, "paused_until": seconds(30), "slots_in_use": 2},
            "paused",
            seconds(30),
        ),
        ({"is_paused": True, "run_at": seconds(60)}, "scheduled", seconds(61)),
    ],
)
def test_what_is_longest_in_the_way_is_the_reason(
    changes: dict[str, Any], reason: str | None, start: datetime | None
) -> None:
    found = estimate_start(queue_position(**changes))
    assert (found.reason, found.estimated_start_at) == (reason, start)


@given(
    position=st.integers(1, 10_000),
    slots_in_use=st.integers(0, 30),
    slots=st.none() | st.integers(0, 50),
    ago=st.integers(-3_600, 3_600),
    is_paused=st.booleans(),
    is_full=st.booleans(),
    median=st.none() | st.integers(0, 10**9),
)
def test_no_job_is_promised_a_start_in_the_past_or_before_its_time(ago: int, **fields: Any) -> None:
    median = fields.pop("median")
    run_at = seconds(ago)
    position = queue_position(run_at=run_at, median_wait=median, median_run=median, **fields)
    found = estimate_start(position)
    assert found.position == position.position
    assert found.estimated_start_at is None or found.estimated_start_at >= max(NOW, run_at)
    assert (found.reason == "scheduled") == (run_at > NOW)
