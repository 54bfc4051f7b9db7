"""Publishes a command of an operator, with the Redis rights of the service."""

from msaas.contracts import Message
from msaas.jobs.settings import OperatorSettings
from msaas.kernel import new_id
from msaas.streams import RedisBroker, StreamPublisher

TOPIC = "jobs.commands"


async def send_command(settings: OperatorSettings, command: Message) -> None:
    broker = RedisBroker(settings.redis_url.get_secret_value())
    publisher = StreamPublisher(broker, "jobs", str(settings.environment))
    try:
        await publisher.publish(TOPIC, command, correlation_id=str(new_id()))
    finally:
        await publisher.close()
        await broker.close()
