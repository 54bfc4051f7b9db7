"""A job's story in order, told from what the record keeps of it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

Row = Mapping[str, Any]
_ENDS = {"COMPLETED": "completed", "FAILED": "failed", "CANCELLED": "cancelled"}


class Happening(NamedTuple):
    """`attempt` counts from 0, as the attempts of a job do."""

    at: datetime
    kind: str
    attempt: int | None
    details: dict[str, Any]


def tell(job: Row, attempts: Sequence[Row], charges: Sequence[Row]) -> list[Happening]:
    """Sort by time; what happened at one moment stays in the order in which it has to happen."""
    told = [
        *_beginning(job),
        *(one for attempt in attempts for one in _attempt(attempt)),
        *_retries(job, attempts),
        *_ending(job),
        *(_charge(row) for row in charges),
    ]
    return sorted(told, key=lambda one: one.at)


def _beginning(job: Row) -> Iterator[Happening]:
    yield Happening(job["created_at"], "submitted", None, {"source": job["source"]})
    if job["run_at"] > job["created_at"] and job["attempts"] == 0:
        yield Happening(job["created_at"], "scheduled", None, {"run_at": job["run_at"]})
    if job["cancel_requested_at"]:
        yield Happening(job["cancel_requested_at"], "cancel_requested", None, {})


def _attempt(row: Row) -> Iterator[Happening]:
    number = row["attempt"]
    yield Happening(row["dispatched_at"], "dispatched", number, _wait(row))
    if row["started_at"]:
        yield Happening(row["started_at"], "started", number, {})
    yield from _steps(row)
    yield from _network(row)
    if row["outcome"] and row["finished_at"]:
        told = {name: row[name] for name in ("outcome", "reason", "error") if row[name]}
        yield Happening(row["finished_at"], "attempt_ended", number, told)


def _wait(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in ("waited_for", "waited_ms") if row["waited_for"]}


def _steps(row: Row) -> Iterator[Happening]:
    """Place what the worker measured at the end of its run, which is when it told of it."""
    at = row["finished_at"]
    timings: dict[str, int] = row["timings_ms"] or {}
    for name, took_ms in timings.items():
        yield Happening(at, "step", row["attempt"], {"name": name, "took_ms": took_ms})


def _network(row: Row) -> Iterator[Happening]:
    """Say whom the run asked for, how many bytes went to and fro, and what was refused."""
    if places := row["network"]:
        yield Happening(row["finished_at"], "network", row["attempt"], {"places": places})


def _retries(job: Row, attempts: Sequence[Row]) -> Iterator[Happening]:
    """Say when it is tried again, while that is still to come."""
    if attempts and job["status"] == "PENDING" and attempts[-1]["finished_at"]:
        last = attempts[-1]
        yield Happening(last["finished_at"], "retrying", last["attempt"], {"run_at": job["run_at"]})


def _ending(job: Row) -> Iterator[Happening]:
    if job["status"] == "RUNNING" and job["progress"]:
        yield Happening(job["updated_at"], "progressed", None, dict(job["progress"]))
    if job["finished_at"]:
        told = {name: job[name] for name in ("failure_reason", "last_error") if job[name]}
        yield Happening(job["finished_at"], _ENDS[job["status"]], None, told)


def _charge(row: Row) -> Happening:
    details = {"seq": row["seq"], "quantity": row["quantity"], "period_start": row["period_start"]}
    return Happening(row["occurred_at"], "charged", None, details)
