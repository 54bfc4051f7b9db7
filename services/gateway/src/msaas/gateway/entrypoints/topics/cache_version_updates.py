"""The log jobs.events once more: whatever is summed up of a user is no longer what it was."""

from collections.abc import Mapping, Sequence

from msaas.contracts import AccountChanged, JobChanged, Topic
from msaas.gateway.application.cache_versions import CacheVersions
from msaas.gateway.domain.replay_buffer import StreamPosition
from msaas.gateway.entrypoints.topics.job_events import JobEventHandler
from msaas.messaging import Delivery


class CacheVersionUpdater:
    """Notes whom an event is about before the event is shown to anybody."""

    def __init__(self, event_handler: JobEventHandler, cache_versions: CacheVersions) -> None:
        self._event_handler = event_handler
        self._cache_versions = cache_versions

    def start_at(self, positions: Mapping[str, str]) -> None:
        (position,) = positions.values()
        self._cache_versions.start_at(position)
        self._event_handler.start_at(positions)

    async def handle(self, topic: Topic, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            match delivery.message:
                case JobChanged(progress=None, user_id=user_id) | AccountChanged(user_id=user_id):
                    self._cache_versions.record_change(
                        user_id, StreamPosition.parse(delivery.entry_id)
                    )
                case _:
                    continue
        await self._event_handler.handle(topic, deliveries)

    async def reset(self) -> None:
        self._cache_versions.reset()
        await self._event_handler.reset()
