"""A job's timeline is in order, from whatever rows the database has."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.gateway.domain.timeline import TimelineEvent, build_timeline

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def job(**fields: Any) -> dict[str, Any]:
    return {
        "created_at": NOON,
        "updated_at": NOON,
        "run_at": NOON,
        "source": "api",
        "status": "PENDING",
        "attempts": 0,
        "cancel_requested_at": None,
        "finished_at": None,
        "progress": None,
        "failure_reason": None,
        "last_error": None,
    } | fields


def attempt(number: int, begins: float, **fields: Any) -> dict[str, Any]:
    return {
        "attempt": number,
        "dispatched_at": at(begins),
        "started_at": None,
        "finished_at": None,
        "outcome": None,
        "reason": None,
        "error": None,
        "timings_ms": None,
        "waited_ms": None,
        "waited_for": None,
        "network": None,
    } | fields


def kinds(events: list[TimelineEvent]) -> list[str]:
    return [event.kind for event in events]


def test_a_job_that_waits_has_only_been_submitted() -> None:
    assert build_timeline(job(), [], []) == [
        TimelineEvent(NOON, "submitted", None, {"source": "api"})
    ]


def test_a_scheduled_job_shows_its_time() -> None:
    events = build_timeline(job(run_at=at(60)), [], [])
    assert events[1] == TimelineEvent(NOON, "scheduled", None, {"run_at": at(60)})


def test_the_timeline_of_a_job_that_failed_twice_and_then_succeeded_is_complete() -> None:
    failed = {"outcome": "failed", "reason": "timeout", "error": "Too slow."}
    attempts = [
        attempt(0, 1, started_at=at(2), finished_at=at(3), **failed),
        attempt(1, 4, started_at=at(5), finished_at=at(6), **failed),
        attempt(2, 7, started_at=at(8), finished_at=at(9), outcome="succeeded"),
    ]
    charge = {"seq": 4, "quantity": 1, "period_start": NOON, "occurred_at": at(9)}
    events = build_timeline(
        job(status="COMPLETED", attempts=2, finished_at=at(9)), attempts, [charge]
    )
    run = ["dispatched", "started", "attempt_ended"]
    assert kinds(events) == ["submitted", *run, *run, *run, "completed", "charged"]
    assert events[3].details == {"outcome": "failed", "reason": "timeout", "error": "Too slow."}


def test_steps_have_a_name_and_a_duration() -> None:
    done = attempt(
        0, 1, started_at=at(2), finished_at=at(3), outcome="succeeded", timings_ms={"goto": 12}
    )
    steps = [event.details for event in build_timeline(job(), [done], []) if event.kind == "step"]
    assert steps == [{"name": "goto", "took_ms": 12}]


def test_the_hosts_that_a_run_requested_are_listed_at_its_end() -> None:
    hosts = [{"host": "10.0.0.1", "port": 80, "refusals": 1, "refusal": "blocked"}]
    done = attempt(0, 1, started_at=at(2), finished_at=at(3), outcome="failed", network=hosts)
    [network_event] = [
        event for event in build_timeline(job(), [done], []) if event.kind == "network"
    ]
    assert network_event == TimelineEvent(at(3), "network", 0, {"places": hosts})


def test_a_scheduled_retry_shows_its_time() -> None:
    failed = attempt(0, 1, started_at=at(2), finished_at=at(3), outcome="failed")
    events = build_timeline(job(attempts=1, run_at=at(10)), [failed], [])
    assert events[-1] == TimelineEvent(at(3), "retrying", 0, {"run_at": at(10)})


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_a_final_event_shows_its_reason(status: str) -> None:
    ended = job(status=status, finished_at=at(5), cancel_requested_at=at(4), last_error="No.")
    events = build_timeline(ended, [], [])
    assert kinds(events) == ["submitted", "cancel_requested", status.lower()]
    assert events[-1].details == {"last_error": "No."}


def test_the_progress_of_a_run_is_shown_while_it_runs() -> None:
    running = job(status="RUNNING", progress={"percent": 40}, updated_at=at(9))
    assert build_timeline(running, [], [])[-1] == TimelineEvent(
        at(9), "progressed", None, {"percent": 40}
    )


seconds = st.integers(0, 100)


def lost(begins: int, starts: int, ends: int) -> dict[str, Any]:
    return attempt(0, begins, started_at=at(starts), finished_at=at(ends), outcome="lost")


some_attempts = st.builds(lost, seconds, seconds, seconds)


@given(attempts=st.lists(some_attempts, max_size=5), ends=seconds)
def test_events_are_in_the_order_of_time(attempts: list[Mapping[str, Any]], ends: int) -> None:
    events = build_timeline(job(status="FAILED", finished_at=at(ends)), attempts, [])
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert kinds(events).count("dispatched") == len(attempts)
