"""One exchange with the message wire at a time: what may be appended, taken and settled."""

from msaas.streams.errors import (
    CommandRefused,
    GrantRefused,
    GroupMissing,
    TopicFull,
    WireFull,
    WireUnavailable,
    is_dependency_failure,
)
from msaas.streams.list_mover import ListMover
from msaas.streams.outbox import Outbox
from msaas.streams.outgoing import Delivery, Outgoing
from msaas.streams.redis_wire import RedisWire
from msaas.streams.wire import Committed, RawEntry, Source, StreamStats, Wire, Write, entry_ms

__all__ = [
    "CommandRefused",
    "Committed",
    "Delivery",
    "GrantRefused",
    "GroupMissing",
    "ListMover",
    "Outbox",
    "Outgoing",
    "RawEntry",
    "RedisWire",
    "Source",
    "StreamStats",
    "TopicFull",
    "Wire",
    "WireFull",
    "WireUnavailable",
    "Write",
    "entry_ms",
    "is_dependency_failure",
]
