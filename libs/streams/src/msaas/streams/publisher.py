"""What leaves a process: only to granted topics, and to no full one against its rule."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from msaas.contracts import Message, OnFull, Topic, TopicKind, encode, get_topic, is_reply_key
from msaas.kernel import Clock, SystemClock, new_id
from msaas.streams.broker import Broker, StreamConsumer, Write
from msaas.streams.errors import BrokerFull, TopicAccessDenied, TopicFull
from msaas.streams.group_commit import GroupCommit
from msaas.streams.messages import OutgoingMessage
from msaas.telemetry import current_traceparent

REPLY_RETENTION = timedelta(seconds=60)
DROPPABLE = (OnFull.SKIP, OnFull.DROP)
MAX_BACKLOG = 10_000


class StreamPublisher:
    """All callers share the round trips; each waits until its own entries are on the wire."""

    def __init__(
        self,
        broker: Broker,
        process: str,
        environment: str,
        topics: Iterable[str] = (),
        *,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._commits = GroupCommit(broker, self._clock)
        self._environment = environment
        self._routes: dict[str, tuple[Topic, Sequence[str]]] = {}
        for topic in map(get_topic, topics):
            if topic.kind is TopicKind.REPLY or process not in topic.producers:
                raise TopicAccessDenied(
                    f"The registry does not let {process} produce to {topic.name}."
                )
            self._routes[topic.name] = (topic, topic.keys(environment))

    async def publish(
        self,
        topic: str,
        message: Message,
        *,
        correlation_id: str,
        id: UUID | None = None,  # noqa: A002  # the header's own word
        traceparent: str | None = None,
    ) -> str | None:
        """Answer the entry's id, or None where a full topic lets this kind of message go."""
        parent = traceparent or current_traceparent()
        return await self.send(
            OutgoingMessage(
                message=message,
                topic=topic,
                id=id,
                correlation_id=correlation_id,
                traceparent=parent,
            )
        )

    async def send(self, outgoing: OutgoingMessage) -> str | None:
        if self._commits.backlog >= MAX_BACKLOG:
            raise TopicFull(topic=outgoing.topic, retry_after=1)
        entry_ids = await self.commit([outgoing])
        return entry_ids[0] if entry_ids else None

    async def commit(
        self,
        outgoing: Iterable[OutgoingMessage],
        consumer: StreamConsumer | None = None,
        acked_ids: Sequence[str] = (),
    ) -> Sequence[str]:
        """Append what the topics admit and acknowledge `done`, all or nothing.

        Without memory the wire takes no facts, beats or replies, but lets consumers make room.
        """
        admitted = [one for one in outgoing if await self._admits(one)]
        try:
            return await self.append(
                [w for o in admitted for w in self._encode_writes(o)], consumer, acked_ids
            )
        except BrokerFull:
            required = [
                one for one in admitted if one.topic and one.message.on_full not in DROPPABLE
            ]
            if len(required) == len(admitted):
                raise
            return await self.append(
                [w for one in required for w in self._encode_writes(one)], consumer, acked_ids
            )

    async def append(
        self,
        writes: Sequence[Write],
        consumer: StreamConsumer | None = None,
        acked_ids: Sequence[str] = (),
    ) -> Sequence[str]:
        return await self._commits.commit(writes, consumer, acked_ids)

    def get_stream_key(self, name: str) -> str:
        """Name the one stream of a topic that a single service consumes."""
        _, (key,) = self._get_route(name)
        return key

    async def close(self) -> None:
        """Wait for what is under way."""
        await self._commits.close()

    async def _admits(self, outgoing: OutgoingMessage) -> bool:
        """Tell whether there is room; a full topic refuses commands and lets go of the rest."""
        on_full = outgoing.message.on_full
        if outgoing.topic is None or on_full is OnFull.ADMIT:
            return True
        topic, keys = self._get_route(outgoing.topic)
        for key in keys:
            if topic.bound and await self._commits.depth(key, topic.bound) >= topic.bound:
                if on_full is OnFull.REFUSE:
                    raise TopicFull(topic=topic.name, retry_after=1)
                return False
        return True

    def _encode_writes(self, outgoing: OutgoingMessage) -> list[Write]:
        fields = encode(
            outgoing.message,
            id=outgoing.id or new_id(),
            correlation_id=outgoing.correlation_id,
            ts=self._clock.now(),
            traceparent=outgoing.traceparent,
            reply_to=outgoing.reply_to if outgoing.topic else None,
            ttl_ms=outgoing.ttl_ms,
        )
        if outgoing.topic is None:
            if not is_reply_key(self._environment, outgoing.reply_to or ""):
                raise TopicAccessDenied("A reply goes to a reply stream and nowhere else.")
            return [Write(str(outgoing.reply_to), fields, REPLY_RETENTION, expires=True)]
        topic, keys = self._get_route(outgoing.topic)
        if type(outgoing.message) not in topic.messages:
            raise TopicAccessDenied(
                f"{topic.name} does not carry {type(outgoing.message).__name__}."
            )
        bounded = topic.bound is not None
        return [Write(key, fields, retention=topic.retention, bounded=bounded) for key in keys]

    def _get_route(self, name: str) -> tuple[Topic, Sequence[str]]:
        if name not in self._routes:
            raise TopicAccessDenied(f"This process did not ask to produce to {name}.")
        return self._routes[name]
