"""One round trip to Redis Streams at a time: append, read, acknowledge."""

from msaas.streams.broker import (
    MAX_READ_BYTES,
    Broker,
    CommitResult,
    RawEntry,
    StreamConsumer,
    StreamStats,
    Write,
    entry_position,
    entry_timestamp_ms,
)
from msaas.streams.errors import (
    BrokerAccessDenied,
    BrokerFull,
    BrokerUnavailable,
    CommandRefused,
    EntryIdRefused,
    GroupMissing,
    TopicAccessDenied,
    TopicFull,
    is_dependency_failure,
)
from msaas.streams.list_mover import ListMover
from msaas.streams.messages import Delivery, OutgoingMessage
from msaas.streams.publisher import StreamPublisher
from msaas.streams.redis_broker import RedisBroker

__all__ = [
    "MAX_READ_BYTES",
    "Broker",
    "BrokerAccessDenied",
    "BrokerFull",
    "BrokerUnavailable",
    "CommandRefused",
    "CommitResult",
    "Delivery",
    "EntryIdRefused",
    "GroupMissing",
    "ListMover",
    "OutgoingMessage",
    "RawEntry",
    "RedisBroker",
    "StreamConsumer",
    "StreamPublisher",
    "StreamStats",
    "TopicAccessDenied",
    "TopicFull",
    "Write",
    "entry_position",
    "entry_timestamp_ms",
    "is_dependency_failure",
]
