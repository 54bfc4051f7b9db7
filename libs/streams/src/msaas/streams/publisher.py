"""Publishes messages to the topics that the registry grants to a process, unless one is full."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from msaas.contracts import (
    TOPICS,
    DeadLetterKind,
    Message,
    OnFull,
    Topic,
    TopicKind,
    build_dead_letter,
    encode,
    get_topic,
    is_reply_key,
)
from msaas.kernel import Clock, SystemClock, new_id
from msaas.redis import BrokerFull
from msaas.streams.broker import Broker, RawEntry, StreamConsumer, Write
from msaas.streams.errors import TopicAccessDenied, TopicFull
from msaas.streams.group_commit import GroupCommit
from msaas.streams.messages import OutgoingMessage
from msaas.telemetry import current_traceparent

REPLY_RETENTION = timedelta(seconds=60)
DROPPABLE = (OnFull.SKIP, OnFull.DROP)
MAX_BACKLOG = 10_000


class StreamPublisher:
    """Callers share round trips; each waits until its own entries are in Redis."""

    def __init__(
        self, broker: Broker, process: str, environment: str, *, clock: Clock | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._commits = GroupCommit(broker, self._clock)
        self._environment = environment
        self._process = process
        self._routes = {
            topic.name: (topic, topic.keys(environment))
            for topic in TOPICS.values()
            if process in topic.producers and topic.kind is not TopicKind.REPLY
        }

    def require_topics(self, *names: str) -> None:
        """Raise TopicAccessDenied, at start, for a topic that this process may not produce to."""
        for name in names:
            self._get_route(name)

    async def publish(
        self,
        topic: str,
        message: Message,
        *,
        correlation_id: str,
        id: UUID | None = None,  # noqa: A002  # the header's name
        traceparent: str | None = None,
    ) -> str | None:
        """Return the entry's id, or None where a full topic drops this kind of message."""
        parent = traceparent or current_traceparent()
        outgoing = OutgoingMessage(
            message=message, topic=topic, id=id, correlation_id=correlation_id, traceparent=parent
        )
        return await self.send(outgoing)

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
        """Append what the topics admit and acknowledge `acked_ids`, all or nothing.

        When Redis is out of memory, facts, heartbeats and replies are dropped, so that consumers
        can still acknowledge and free memory.
        """
        admitted = [message for message in outgoing if await self._admits(message)]
        try:
            return await self._commits.commit(self._encode_all(admitted), consumer, acked_ids)
        except BrokerFull:
            required = [m for m in admitted if m.topic and m.message.on_full not in DROPPABLE]
            if len(required) == len(admitted):
                raise
            return await self._commits.commit(self._encode_all(required), consumer, acked_ids)

    async def dead_letter(
        self,
        topic: Topic,
        raw: RawEntry,
        consumer: StreamConsumer,
        error: str,
        kind: DeadLetterKind,
    ) -> None:
        """Move an entry to the dead letter stream in the transaction that acknowledges it."""
        fields = build_dead_letter(
            topic,
            raw.fields,
            entry_id=raw.entry_id,
            error=error,
            kind=kind,
            deliveries=raw.delivery_count,
            at=self._clock.now(),
        )
        key_for = topic.poison_key if kind == "poison" else topic.dead_letter_key
        write = Write(key_for(self._environment, self._process), fields)
        await self._commits.commit([write], consumer, [raw.entry_id])

    def get_readable_topic(self, name: str, kind: TopicKind) -> Topic:
        """Return a topic that this process may read."""
        topic = get_topic(name)
        if topic.kind is not kind or self._process not in topic.consumers:
            raise TopicAccessDenied(f"The registry does not let {self._process} read {name}.")
        return topic

    def get_stream_key(self, name: str) -> str:
        """Return the key of a topic that a single service consumes."""
        _, (key,) = self._get_route(name)
        return key

    async def close(self) -> None:
        """Wait for the commit in progress."""
        await self._commits.close()

    async def _admits(self, outgoing: OutgoingMessage) -> bool:
        """Return whether there is capacity; a full topic refuses commands and drops the rest."""
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

    def _encode_all(self, messages: Iterable[OutgoingMessage]) -> list[Write]:
        return [write for message in messages for write in self._encode_writes(message)]

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
            raise TopicAccessDenied(f"{topic.name} carries no {type(outgoing.message).__name__}.")
        bounded = topic.bound is not None
        write = Write("", fields, topic.retention, bounded=bounded, entry_id=outgoing.entry_id)
        return [write._replace(key=key) for key in keys]

    def _get_route(self, name: str) -> tuple[Topic, Sequence[str]]:
        if name not in self._routes:
            raise TopicAccessDenied(f"The registry does not let {self._process} produce to {name}.")
        return self._routes[name]
