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
from msaas.gateway.application.job_event_hub import JobEventHub, delay_seconds
from msaas.gateway.domain.replay_buffer import Frame, StreamPosition
from msaas.messaging import Delivery
from msaas.telemetry import Metrics

TOPIC = "jobs.events"


class JobEventHandler:
    def __init__(self, event_hub: JobEventHub, metrics: Metrics) -> None:
        self._event_hub = event_hub
        self._delay = metrics.histogram(
            "msaas_sse_event_delay_seconds", "From an event's entry to its frame."
        )

    def start_at(self, positions: Mapping[str, str]) -> None:
        (position,) = positions.values()
        self._event_hub.start_at(position)

    async def handle(self, _topic: Topic, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            match delivery.message:
                case JobChanged() as event:
                    self._publish_job(delivery.entry_id, event)
                case AccountChanged() as event:
                    self._publish_account(delivery.entry_id, event)
                case other:
                    raise TypeError(f"{TOPIC} does not carry {other.type_name()}")
        self._delay.observe(delay_seconds(StreamPosition.parse(deliveries[-1].entry_id)))

    async def reset(self) -> None:
        self._event_hub.reset()

    def _publish_job(self, cursor: str, event: JobChanged) -> None:
        frame = Frame(StreamPosition.parse(cursor), _build_frame(cursor, event))
        is_progress = event.progress is not None
        self._event_hub.publish(
            event.user_id, frame, event.frame.id, event.version, is_progress=is_progress
        )

    def _publish_account(self, cursor: str, event: AccountChanged) -> None:
        """Let the user's id stand for the account, which is versioned like a job."""
        frame = Frame(StreamPosition.parse(cursor), account_frame(cursor, event.account))
        self._event_hub.publish(event.user_id, frame, event.user_id, event.version)


def _build_frame(cursor: str, event: JobChanged) -> bytes:
    if event.progress is None:
        return job_frame(cursor, event.frame)
    return progress_frame(cursor, event.frame.id, event.progress)
