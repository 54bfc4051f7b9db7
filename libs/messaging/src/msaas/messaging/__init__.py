"""Work, logs and replies on Redis Streams: nothing lost, everything once in effect."""

from msaas.messaging.batch import BatchHandler, BatchRunner
from msaas.messaging.commands import CommandClient
from msaas.messaging.loop import Pace, Station
from msaas.messaging.messenger import Messenger
from msaas.messaging.tailer import LogTailer
from msaas.messaging.work import GivenUp, Worker, WorkRunner
from msaas.streams import (
    CommandRefused,
    Delivery,
    GrantRefused,
    Outgoing,
    RedisWire,
    TopicFull,
    WireFull,
    WireUnavailable,
)

__all__ = [
    "BatchHandler",
    "BatchRunner",
    "CommandClient",
    "CommandRefused",
    "Delivery",
    "GivenUp",
    "GrantRefused",
    "LogTailer",
    "Messenger",
    "Outgoing",
    "Pace",
    "RedisWire",
    "Station",
    "TopicFull",
    "WireFull",
    "WireUnavailable",
    "WorkRunner",
    "Worker",
]
