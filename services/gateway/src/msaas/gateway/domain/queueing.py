"""Why a job still waits, and when it should start: from the user's own rows and public figures."""

from datetime import datetime, timedelta
from typing import NamedTuple

from msaas.contracts import PLANS, Plan


class Place(NamedTuple):
    """Where a job stands; `slots` is an override of the plan's, the medians are in milliseconds."""

    position: int
    run_at: datetime
    now: datetime
    plan: Plan
    slots: int | None
    held: int
    is_paused: bool
    paused_until: datetime | None
    is_full: bool
    median_wait: int | None
    median_run: int | None


class Queue(NamedTuple):
    reason: str | None
    position: int
    estimated_start_at: datetime | None


def explain(place: Place) -> Queue:
    """Name what is in the way for longest first: time, a pause, the plan, then everybody's room."""
    slots = PLANS[place.plan].slots if place.slots is None else place.slots
    usual = max(place.now, place.run_at + _span(place.median_wait or 0))
    if place.run_at > place.now:
        reason, start = "scheduled", usual
    elif place.is_paused:
        reason, start = "paused", place.paused_until
    elif place.position > slots - place.held:
        reason, start = "plan_concurrency", _by_turns(place, slots)
    elif place.is_full:
        reason, start = "topic_window", None if place.median_wait is None else usual
    else:
        reason, start = None, usual
    return Queue(reason, place.position, start)


def _by_turns(place: Place, slots: int) -> datetime | None:
    """Let each slot take a job as long as the job before it takes."""
    if slots <= 0 or place.median_run is None:
        return None
    turns = -(-place.position // slots)
    return place.now + turns * _span(place.median_run)


def _span(milliseconds: int) -> timedelta:
    return timedelta(milliseconds=milliseconds)
