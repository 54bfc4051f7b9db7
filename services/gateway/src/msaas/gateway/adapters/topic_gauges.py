"""How full the work topics are, by numbers alone: the registry grants the gateway no entry."""

from collections.abc import Sequence
from typing import Any

from msaas.contracts import TOPICS, Topic, TopicKind
from msaas.messaging import RedisWire
from msaas.streams import GroupMissing, StreamStats


class WireGauges:
    def __init__(self, wire: RedisWire, environment: str) -> None:
        self._wire = wire
        self._environment = environment

    async def measure(self) -> Sequence[dict[str, Any]]:
        """Look at one stream after another: this is for people, and must not hold others up."""
        return [
            await self._look(topic, consumer)
            for topic in TOPICS.values()
            if topic.kind is TopicKind.WORK
            for consumer in topic.consumers
        ]

    async def _look(self, topic: Topic, consumer: str) -> dict[str, Any]:
        place = (self._environment, consumer)
        depth = await self._wire.depth(topic.key(*place))
        try:
            stats = await self._wire.stats(topic.key(*place), topic.group(consumer))
        except GroupMissing:
            stats = StreamStats(depth, depth, 0, 0.0)  # nobody has begun to read it
        return {
            "topic": topic.name,
            "consumer": consumer,
            "depth": stats.depth,
            "lag": stats.lag,
            "pending": stats.pending,
            "oldest_pending_seconds": stats.oldest_pending_seconds,
            "bound": topic.bound,
            "dead": await self._wire.depth(topic.dead_letter_key(*place)),
            "poison": await self._wire.depth(topic.poison_key(*place)),
        }
