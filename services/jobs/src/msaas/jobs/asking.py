"""Puts a command of an operator on the wire, with the service's own rights there."""

from msaas.contracts import Message
from msaas.jobs.settings import AskSettings
from msaas.kernel import new_id
from msaas.streams import Outbox, RedisWire

TOPIC = "jobs.commands"


async def ask(settings: AskSettings, command: Message) -> None:
    wire = RedisWire(settings.redis_url.get_secret_value())
    outbox = Outbox(wire, "jobs", str(settings.environment), [TOPIC])
    try:
        await outbox.publish(TOPIC, command, correlation_id=str(new_id()))
    finally:
        await outbox.close()
        await wire.close()
