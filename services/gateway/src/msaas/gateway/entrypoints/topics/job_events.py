"""The log jobs.events: what becomes of jobs, turned into frames for whoever watches."""

from collections.abc import Mapping, Sequence
from typing import cast

from msaas.contracts import JobChanged, Topic, job_frame, progress_frame
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
            event, place = cast("JobChanged", delivery.message), Place.parse(delivery.entry_id)
            frame = Frame(place, _frame(delivery.entry_id, event))
            self._live.take_in(
                event.user_id,
                frame,
                event.frame.id,
                event.version,
                is_progress=event.progress is not None,
            )
        self._delay.observe(delay_seconds(Place.parse(deliveries[-1].entry_id)))

    async def lose_track(self) -> None:
        self._live.lose_track()


def _frame(cursor: str, event: JobChanged) -> bytes:
    if event.progress is None:
        return job_frame(cursor, event.frame)
    return progress_frame(cursor, event.frame.id, event.progress)
