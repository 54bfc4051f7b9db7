"""Work topics, logs and replies on Redis Streams: no message is lost, each takes effect once."""

from msaas.messaging.batch_consumer import BatchConsumer, BatchHandler, BatchInterrupted
from msaas.messaging.command_client import CommandClient
from msaas.messaging.log_tailer import LogTailer
from msaas.messaging.loop import ConsumerContext, ConsumerTimings
from msaas.messaging.messenger import Messenger
from msaas.messaging.work_consumer import AbandonReason, WorkConsumer
from msaas.streams import (
    BrokerFull,
    BrokerUnavailable,
    CommandRefused,
    Delivery,
    OutgoingMessage,
    RedisBroker,
    TopicAccessDenied,
    TopicFull,
)

__all__ = [
    "AbandonReason",
    "BatchConsumer",
    "BatchHandler",
    "BatchInterrupted",
    "BrokerFull",
    "BrokerUnavailable",
    "CommandClient",
    "CommandRefused",
    "ConsumerContext",
    "ConsumerTimings",
    "Delivery",
    "LogTailer",
    "Messenger",
    "OutgoingMessage",
    "RedisBroker",
    "TopicAccessDenied",
    "TopicFull",
    "WorkConsumer",
]
