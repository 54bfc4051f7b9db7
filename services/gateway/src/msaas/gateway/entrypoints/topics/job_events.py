"""The log jobs.events: what becomes of jobs and accounts, as frames for whoever watches."""

from collections.abc import Mapping, Sequence

from msaas.contracts import (
    AccountChanged,
    JobChanged,
    Topic,
    account_frame,
    job_frame,
    progress_frame,
)
from msaas.gateway.application.live_jobs import LiveJobs, delay_seconds
from msaas.gateway.domain.rings import Frame, Place
from msaas.messaging import Delivery
from msaas.telemetry import Metrics

TOPIC = "jobs.events"


class JobEvents:
    def __init__(self, live: LiveJobs, metrics: Metrics) -> None:
        self._live = live
        self._delay = metrics.histogram(
            "msaas_sse_event_delay_seconds", "From an event's entry to its frame."
        )

    def begin(self, positions: Mapping[str, str]) -> None:
        (place,) = positions.values()
        self._live.begin(place)

    async def take_in(self, _topic: Topic, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            match delivery.message:
                case JobChanged() as event:
                    self._show_job(delivery.entry_id, event)
                case AccountChanged() as event:
                    self._show_account(delivery.entry_id, event)
                case other:
                    raise TypeError(f"{TOPIC} does not carry {other.type_name()}")
        self._delay.observe(delay_seconds(Place.parse(deliveries[-1].entry_id)))

    async def lose_track(self) -> None:
        self._live.lose_track()

    def _show_job(self, cursor: str, event: JobChanged) -> None:
        frame = Frame(Place.parse(cursor), _frame(cursor, event))
        is_progress = event.progress is not None
        self._live.take_in(
            event.user_id, frame, event.frame.id, event.version, is_progress=is_progress
        )

    def _show_account(self, cursor: str, event: AccountChanged) -> None:
        """Let the user's id stand for the account, which is versioned like a job."""
        frame = Frame(Place.parse(cursor), account_frame(cursor, event.account))
        self._live.take_in(event.user_id, frame, event.user_id, event.version)


def _frame(cursor: str, event: JobChanged) -> bytes:
    if event.progress is None:
        return job_frame(cursor, event.frame)
    return progress_frame(cursor, event.frame.id, event.progress)
