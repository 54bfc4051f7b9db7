"""One exchange with the message wire at a time: what may be appended, taken and settled."""

from msaas.streams.errors import (
    CommandRefused,
    TopicAccessDenied,
    GroupMissing,
    TopicFull,
    BrokerFull,
    BrokerUnavailable,
    is_dependency_failure,
)
from msaas.streams.list_mover import ListMover
from msaas.streams.publisher import StreamPublisher
from msaas.streams.messages import Delivery, OutgoingMessage
from msaas.streams.redis_broker import RedisBroker
from msaas.streams.broker import CommitResult, RawEntry, StreamConsumer, StreamStats, Broker, Write, entry_timestamp_ms

__all__ = [
    "CommandRefused",
    "CommitResult",
    "Delivery",
    "TopicAccessDenied",
    "GroupMissing",
    "ListMover",
    "StreamPublisher",
    "OutgoingMessage",
    "RawEntry",
    "RedisBroker",
    "StreamConsumer",
    "StreamStats",
    "TopicFull",
    "Broker",
    "BrokerFull",
    "BrokerUnavailable",
    "Write",
    "entry_timestamp_ms",
    "is_dependency_failure",
]
