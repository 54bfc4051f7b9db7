"""The dead letter streams in Redis, and how full the topics are that replays go to."""

from collections.abc import Mapping, Sequence
from typing import Final

from msaas.contracts import TOPICS, TopicKind, get_topic
from msaas.jobs.application.dead_letters_ports import DeadLetterStream
from msaas.messaging import Messenger

PAGE_SIZE: Final = 100
FULL_RATIO: Final = 0.9
"""The part of a topic's bound that replays may fill; the rest is for new messages."""


class BrokerDeadLetterStreams:
    """The registry of topics names the owner of each stream."""

    def __init__(self, messenger: Messenger, owner: str) -> None:
        context = messenger.context
        self._broker = context.broker
        self._environment = context.environment
        self._streams = [
            DeadLetterStream(topic.name, key, quarantined)
            for topic in TOPICS.values()
            if topic.kind is TopicKind.WORK and topic.dlq_owner == owner
            for consumer in topic.consumers
            for key, quarantined in (
                (topic.dead_letter_key(self._environment, consumer), False),
                (topic.poison_key(self._environment, consumer), True),
            )
        ]

    def list_streams(self) -> Sequence[DeadLetterStream]:
        return self._streams

    async def peek(self, stream: DeadLetterStream) -> Sequence[tuple[str, Mapping[bytes, bytes]]]:
        found = await self._broker.peek(stream.key, PAGE_SIZE)
        return [(raw.entry_id, raw.fields) for raw in found]

    async def remove(self, stream: DeadLetterStream, entry_ids: Sequence[str]) -> None:
        await self._broker.delete(stream.key, entry_ids)

    async def find_full(self, topics: Sequence[str]) -> frozenset[str]:
        full: set[str] = set()
        for topic in map(get_topic, topics):
            [key] = topic.keys(self._environment)
            if topic.bound and await self._broker.depth(key) >= topic.bound * FULL_RATIO:
                full.add(topic.name)
        return frozenset(full)
