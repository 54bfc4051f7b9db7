"""The streams of dead letters on the wire, and how full the topics are that replays go to."""

from collections.abc import Mapping, Sequence
from typing import Final

from msaas.contracts import TOPICS, TopicKind, get_topic
from msaas.jobs.application.letters_ports import Grave
from msaas.messaging import Messenger

PAGE: Final = 100
NEARLY: Final = 0.9
"""Of a bound: what is left is for those who have not been heard even once."""


class WireGraves:
    """Whose dead letters are ours is in the registry."""

    def __init__(self, messenger: Messenger, owner: str) -> None:
        station = messenger.station
        self._wire = station.wire
        self._environment = station.environment
        self._graves = [
            Grave(topic.name, key, quarantined)
            for topic in TOPICS.values()
            if topic.kind is TopicKind.WORK and topic.dlq_owner == owner
            for consumer in topic.consumers
            for key, quarantined in (
                (topic.dead_letter_key(self._environment, consumer), False),
                (topic.poison_key(self._environment, consumer), True),
            )
        ]

    def list_graves(self) -> Sequence[Grave]:
        return self._graves

    async def peek(self, grave: Grave) -> Sequence[tuple[str, Mapping[bytes, bytes]]]:
        found = await self._wire.peek(grave.key, PAGE)
        return [(raw.entry_id, raw.fields) for raw in found]

    async def remove(self, grave: Grave, entry_ids: Sequence[str]) -> None:
        await self._wire.delete(grave.key, entry_ids)

    async def find_full(self, topics: Sequence[str]) -> frozenset[str]:
        full: set[str] = set()
        for topic in map(get_topic, topics):
            [key] = topic.keys(self._environment)
            if topic.bound and await self._wire.depth(key) >= topic.bound * NEARLY:
                full.add(topic.name)
        return frozenset(full)
