"""Work, logs and replies on Redis Streams: nothing lost, everything once in effect."""

from msaas.messaging.batch import BatchHandler, BatchRunner
from msaas.messaging.commands import CommandClient
from msaas.messaging.errors import (
    CommandRefused,
    GrantRefused,
    GroupMissing,
    TopicFull,
    WireFull,
    WireUnavailable,
)
from msaas.messaging.loop import Pace, Station
from msaas.messaging.messenger import Messenger
from msaas.messaging.outgoing import Delivery, Outbox, Outgoing
from msaas.messaging.publisher import Publisher
from msaas.messaging.redis_wire import RedisWire
from msaas.messaging.tailer import LogTailer
from msaas.messaging.wire import Committed, RawEntry, Source, StreamStats, Wire, Write
from msaas.messaging.work import GivenUp, Worker, WorkRunner

__all__ = [
    "BatchHandler",
    "BatchRunner",
    "CommandClient",
    "CommandRefused",
    "Committed",
    "Delivery",
    "GivenUp",
    "GrantRefused",
    "GroupMissing",
    "LogTailer",
    "Messenger",
    "Outbox",
    "Outgoing",
    "Pace",
    "Publisher",
    "RawEntry",
    "RedisWire",
    "Source",
    "Station",
    "StreamStats",
    "TopicFull",
    "Wire",
    "WireFull",
    "WireUnavailable",
    "WorkRunner",
    "Worker",
    "Write",
]
