"""Statistics of the work topics; the gateway has no permission to read their entries."""

from collections.abc import Sequence
from typing import Any

from msaas.contracts import TOPICS, Topic, TopicKind
from msaas.messaging import RedisBroker
from msaas.streams import GroupMissing, StreamStats


class BrokerTopicStats:
    def __init__(self, broker: RedisBroker, environment: str) -> None:
        self._broker = broker
        self._environment = environment

    async def list_topic_stats(self) -> Sequence[dict[str, Any]]:
        """Read one stream after another, so that other commands are not delayed."""
        return [
            await self._read_stats(topic, consumer)
            for topic in TOPICS.values()
            if topic.kind is TopicKind.WORK
            for consumer in topic.consumers
        ]

    async def _read_stats(self, topic: Topic, consumer: str) -> dict[str, Any]:
        key_parts = (self._environment, consumer)
        depth = await self._broker.depth(topic.key(*key_parts))
        try:
            stats = await self._broker.stats(topic.key(*key_parts), topic.group(consumer))
        except GroupMissing:
            stats = StreamStats(depth, depth, 0, 0.0)  # no consumer has started yet
        return {
            "topic": topic.name,
            "consumer": consumer,
            "depth": stats.depth,
            "lag": stats.lag,
            "pending": stats.pending,
            "oldest_pending_seconds": stats.oldest_pending_seconds,
            "bound": topic.bound,
            "dead": await self._broker.depth(topic.dead_letter_key(*key_parts)),
            "poison": await self._broker.depth(topic.poison_key(*key_parts)),
        }
