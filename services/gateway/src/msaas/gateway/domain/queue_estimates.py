"""Estimates why a job waits and when it starts, from the user's rows and public statistics."""

from datetime import datetime, timedelta
from typing import NamedTuple

from msaas.contracts import PLANS, Plan


class QueuePosition(NamedTuple):
    """The inputs; `slots` overrides the plan's slots, the medians are in milliseconds."""

    position: int
    run_at: datetime
    now: datetime
    plan: Plan
    slots: int | None
    slots_in_use: int
    is_paused: bool
    paused_until: datetime | None
    is_full: bool
    median_wait: int | None
    median_run: int | None


class QueueEstimate(NamedTuple):
    reason: str | None
    position: int
    estimated_start_at: datetime | None


def estimate_start(position: QueuePosition) -> QueueEstimate:
    """Name the first reason of: scheduled time, pause, slots of the plan, full topic."""
    slots = PLANS[position.plan].slots if position.slots is None else position.slots
    usual_start = max(position.now, position.run_at + _milliseconds(position.median_wait or 0))
    if position.run_at > position.now:
        reason, start = "scheduled", usual_start
    elif position.is_paused:
        reason, start = "paused", position.paused_until
    elif position.position > slots - position.slots_in_use:
        reason, start = "plan_concurrency", _estimate_by_slots(position, slots)
    elif position.is_full:
        reason, start = "topic_window", None if position.median_wait is None else usual_start
    else:
        reason, start = None, usual_start
    return QueueEstimate(reason, position.position, start)


def _estimate_by_slots(position: QueuePosition, slots: int) -> datetime | None:
    """Assume that every job before this one takes the median time."""
    if slots <= 0 or position.median_run is None:
        return None
    turns = -(-position.position // slots)
    return position.now + turns * _milliseconds(position.median_run)


def _milliseconds(milliseconds: int) -> timedelta:
    return timedelta(milliseconds=milliseconds)
