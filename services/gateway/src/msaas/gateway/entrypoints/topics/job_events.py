"""The topic jobs.events: changes of jobs and accounts, as frames for live streams."""

from collections.abc import Mapping, Sequence

from msaas.contracts import (
    AccountChanged,
    JobChanged,
    Topic,
    account_frame,
    job_frame,
    progress_frame,
)
from msaas.gateway.application.cache_versions import CacheVersions
from msaas.gateway.application.job_event_hub import JobEventHub, delay_seconds
from msaas.gateway.domain.replay_buffer import Frame, StreamPosition
from msaas.messaging import Delivery
from msaas.telemetry import Metrics

TOPIC = "jobs.events"


class JobEventHandler:
    """Changes a user's versions before the user's streams show the event.

    `row_versions` change with progress too, which summaries do not show.
    """

    def __init__(
        self,
        event_hub: JobEventHub,
        cache_versions: CacheVersions,
        row_versions: CacheVersions,
        metrics: Metrics,
    ) -> None:
        self._row_versions = row_versions
        self._event_hub = event_hub
        self._cache_versions = cache_versions
        self._delay = metrics.histogram(
            "msaas_sse_event_delay_seconds", "From an event's entry to its frame."
        )

    def start_at(self, positions: Mapping[str, str]) -> None:
        (position,) = positions.values()
        self._cache_versions.start_at(position)
        self._row_versions.start_at(position)
        self._event_hub.start_at(position)

    async def handle(self, _topic: Topic, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            position = StreamPosition.parse(delivery.entry_id)
            match delivery.message:
                case JobChanged() as event:
                    self._publish_job(position, event)
                case AccountChanged() as event:
                    self._publish_account(position, event)
                case other:
                    raise TypeError(f"{TOPIC} does not carry {other.type_name()}")
        self._delay.observe(delay_seconds(StreamPosition.parse(deliveries[-1].entry_id)))

    async def reset(self) -> None:
        self._cache_versions.reset()
        self._row_versions.reset()
        self._event_hub.reset()

    def _publish_job(self, position: StreamPosition, event: JobChanged) -> None:
        is_progress = event.progress is not None
        self._row_versions.record_change(event.user_id, position)
        if not is_progress:
            self._cache_versions.record_change(event.user_id, position)
        frame = Frame(position, _build_frame(str(position), event))
        self._event_hub.publish(
            event.user_id, frame, event.frame.id, event.version, is_progress=is_progress
        )

    def _publish_account(self, position: StreamPosition, event: AccountChanged) -> None:
        """Publish under the user's id: an account has versions like a job."""
        self._cache_versions.record_change(event.user_id, position)
        frame = Frame(position, account_frame(str(position), event.account))
        self._event_hub.publish(event.user_id, frame, event.user_id, event.version)


def _build_frame(cursor: str, event: JobChanged) -> bytes:
    if event.progress is None:
        return job_frame(cursor, event.frame)
    return progress_frame(cursor, event.frame.id, event.progress)
