"""The log jobs.events once more: whatever is summed up of a user is no longer what it was."""

from collections.abc import Mapping, Sequence

from msaas.contracts import AccountChanged, JobChanged, Topic
from msaas.gateway.application.recent_changes import RecentChanges
from msaas.gateway.domain.rings import Place
from msaas.gateway.entrypoints.topics.job_events import JobEvents
from msaas.messaging import Delivery


class ViewChanges:
    """Notes whom an event is about before the event is shown to anybody."""

    def __init__(self, events: JobEvents, changes: RecentChanges) -> None:
        self._events = events
        self._changes = changes

    def begin(self, positions: Mapping[str, str]) -> None:
        (place,) = positions.values()
        self._changes.begin(place)
        self._events.begin(positions)

    async def take_in(self, topic: Topic, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            match delivery.message:
                case JobChanged(progress=None, user_id=user_id) | AccountChanged(user_id=user_id):
                    self._changes.note(user_id, Place.parse(delivery.entry_id))
                case _:
                    continue
        await self._events.take_in(topic, deliveries)

    async def lose_track(self) -> None:
        self._changes.lose_track()
        await self._events.lose_track()
