"""Work, logs and replies on Redis Streams: nothing lost, everything once in effect."""

from msaas.messaging.batch_consumer import BatchHandler, BatchConsumer
from msaas.messaging.command_client import CommandClient
from msaas.messaging.loop import ConsumerTimings, ConsumerContext
from msaas.messaging.messenger import Messenger
from msaas.messaging.log_tailer import LogTailer
from msaas.messaging.work_consumer import AbandonReason, WorkHandler, WorkConsumer
from msaas.streams import (
    CommandRefused,
    Delivery,
    TopicAccessDenied,
    OutgoingMessage,
    RedisBroker,
    TopicFull,
    BrokerFull,
    BrokerUnavailable,
)

__all__ = [
    "BatchHandler",
    "BatchConsumer",
    "CommandClient",
    "CommandRefused",
    "Delivery",
    "AbandonReason",
    "TopicAccessDenied",
    "LogTailer",
    "Messenger",
    "OutgoingMessage",
    "ConsumerTimings",
    "RedisBroker",
    "ConsumerContext",
    "TopicFull",
    "BrokerFull",
    "BrokerUnavailable",
    "WorkConsumer",
    "WorkHandler",
]
