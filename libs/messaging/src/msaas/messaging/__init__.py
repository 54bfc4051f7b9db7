"""Work topics, logs and replies on Redis Streams: no message is lost, each takes effect once."""

from msaas.messaging.batch_consumer import BatchConsumer, BatchHandler, BatchInterrupted
from msaas.messaging.command_client import CommandClient
from msaas.messaging.loop import ConsumerContext, ConsumerTimings, DeliveryReleased
from msaas.messaging.messenger import Messenger
from msaas.messaging.topic_consumer import TopicConsumer
from msaas.streams import (
    BrokerUnavailable,
    CommandRefused,
    Delivery,
    OutgoingMessage,
    RedisBroker,
)

__all__ = [
    "BatchConsumer",
    "BatchHandler",
    "BatchInterrupted",
    "BrokerUnavailable",
    "CommandClient",
    "CommandRefused",
    "ConsumerContext",
    "ConsumerTimings",
    "Delivery",
    "DeliveryReleased",
    "Messenger",
    "OutgoingMessage",
    "RedisBroker",
    "TopicConsumer",
]
