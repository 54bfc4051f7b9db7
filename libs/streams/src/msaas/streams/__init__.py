"""One round trip to Redis Streams at a time: append, read, acknowledge."""

from msaas.redis import (
    BrokerAccessDenied,
    BrokerFull,
    BrokerUnavailable,
    BrokerUnconfirmed,
    GroupMissing,
    is_dependency_failure,
)
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
    CommandRefused,
    EntryIdRefused,
    TopicAccessDenied,
    TopicFull,
)
from msaas.streams.messages import Delivery, OutgoingMessage
from msaas.streams.publisher import StreamPublisher
from msaas.streams.read_limit import ReadLimit
from msaas.streams.redis_broker import RedisBroker

__all__ = [
    "MAX_READ_BYTES",
    "Broker",
    "BrokerAccessDenied",
    "BrokerFull",
    "BrokerUnavailable",
    "BrokerUnconfirmed",
    "CommandRefused",
    "CommitResult",
    "Delivery",
    "EntryIdRefused",
    "GroupMissing",
    "OutgoingMessage",
    "RawEntry",
    "ReadLimit",
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
