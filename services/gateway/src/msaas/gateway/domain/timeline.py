"""The timeline of a job, built from its rows."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

Row = Mapping[str, Any]
_FINAL_KINDS = {"COMPLETED": "completed", "FAILED": "failed", "CANCELLED": "cancelled"}


class TimelineEvent(NamedTuple):
    """`attempt` counts from 0, as the attempts of a job do."""

    at: datetime
    kind: str
    attempt: int | None
    details: dict[str, Any]


def build_timeline(
    job: Row, attempts: Sequence[Row], charges: Sequence[Row]
) -> list[TimelineEvent]:
    """Sort by time; events of the same time keep their causal order."""
    events = [
        *_submission_events(job),
        *(event for attempt in attempts for event in _attempt_events(attempt)),
        *_retry_events(job, attempts),
        *_final_events(job),
        *(_charge_event(row) for row in charges),
    ]
    return sorted(events, key=lambda event: event.at)


def _submission_events(job: Row) -> Iterator[TimelineEvent]:
    yield TimelineEvent(job["created_at"], "submitted", None, {"source": job["source"]})
    if job["run_at"] > job["created_at"] and job["attempts"] == 0:
        yield TimelineEvent(job["created_at"], "scheduled", None, {"run_at": job["run_at"]})
    if job["cancel_requested_at"]:
        yield TimelineEvent(job["cancel_requested_at"], "cancel_requested", None, {})


def _attempt_events(row: Row) -> Iterator[TimelineEvent]:
    number = row["attempt"]
    yield TimelineEvent(row["dispatched_at"], "dispatched", number, _wait_details(row))
    if row["started_at"]:
        yield TimelineEvent(row["started_at"], "started", number, {})
    yield from _step_events(row)
    yield from _network_events(row)
    if row["outcome"] and row["finished_at"]:
        details = {name: row[name] for name in ("outcome", "reason", "error") if row[name]}
        yield TimelineEvent(row["finished_at"], "attempt_ended", number, details)


def _wait_details(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in ("waited_for", "waited_ms") if row["waited_for"]}


def _step_events(row: Row) -> Iterator[TimelineEvent]:
    """Place the measured steps at the end of the run, when the worker reports them."""
    at = row["finished_at"]
    timings: dict[str, int] = row["timings_ms"] or {}
    for name, took_ms in timings.items():
        yield TimelineEvent(at, "step", row["attempt"], {"name": name, "took_ms": took_ms})


def _network_events(row: Row) -> Iterator[TimelineEvent]:
    """List the hosts that the run contacted, with bytes and refused requests."""
    if hosts := row["network"]:
        yield TimelineEvent(row["finished_at"], "network", row["attempt"], {"places": hosts})


def _retry_events(job: Row, attempts: Sequence[Row]) -> Iterator[TimelineEvent]:
    """Add the next attempt while it is in the future."""
    if attempts and job["status"] == "PENDING" and attempts[-1]["finished_at"]:
        last = attempts[-1]
        yield TimelineEvent(
            last["finished_at"], "retrying", last["attempt"], {"run_at": job["run_at"]}
        )


def _final_events(job: Row) -> Iterator[TimelineEvent]:
    if job["status"] == "RUNNING" and job["progress"]:
        yield TimelineEvent(job["updated_at"], "progressed", None, dict(job["progress"]))
    if job["finished_at"]:
        details = {name: job[name] for name in ("failure_reason", "last_error") if job[name]}
        yield TimelineEvent(job["finished_at"], _FINAL_KINDS[job["status"]], None, details)


def _charge_event(row: Row) -> TimelineEvent:
    details = {"seq": row["seq"], "quantity": row["quantity"], "period_start": row["period_start"]}
    return TimelineEvent(row["occurred_at"], "charged", None, details)
