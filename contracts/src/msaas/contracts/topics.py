"""What a topic is: its kind, messages, producers, consumers, and its limit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cached_property

from msaas.contracts.keys import reply_key, stream_key
from msaas.contracts.message import Message
from msaas.contracts.processes import PROCESSES


class TopicKind(StrEnum):
    WORK = "work"
    LOG = "log"
    REPLY = "reply"


@dataclass(frozen=True, kw_only=True)
class Topic:
    """`bound` limits a work topic's entries; `retention` is the time window of the other kinds."""

    name: str
    version: int = 1
    kind: TopicKind
    messages: tuple[type[Message], ...]
    owner: str
    producers: frozenset[str]
    consumers: tuple[str, ...]
    bound: int | None = None
    retention: timedelta | None = None
    dlq_owner: str | None = None

    def key(self, env: str, consumer: str | None = None) -> str:
        """Name the stream; if several services consume a work topic, each has its own stream."""
        if self.kind is TopicKind.REPLY:
            return reply_key(env, self._require_consumer(consumer))
        shared = self.kind is TopicKind.LOG or len(self.consumers) == 1
        return stream_key(
            env, self.name, self.version, None if shared else self._require_consumer(consumer)
        )

    def keys(self, env: str) -> tuple[str, ...]:
        """Name every stream that a message is written to, except reply streams."""
        if self.kind is TopicKind.REPLY:
            return ()
        return tuple(dict.fromkeys(self.key(env, consumer) for consumer in self.consumers))

    def group(self, consumer: str) -> str:
        return PROCESSES[consumer].consumer_group

    def dead_letter_key(self, env: str, consumer: str) -> str:
        return f"{self.key(env, consumer)}.dlq"

    def poison_key(self, env: str, consumer: str) -> str:
        return f"{self.key(env, consumer)}.dlq.poison"

    @cached_property
    def by_type(self) -> Mapping[bytes, type[Message]]:
        return {message.type_name().encode(): message for message in self.messages}

    def _require_consumer(self, consumer: str | None) -> str:
        if consumer is None:
            raise ValueError(f"{self.name} has a stream for each consumer: give the consumer")
        return consumer
