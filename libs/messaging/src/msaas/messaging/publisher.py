"""Publishing one message at a time, at the price of a share in one round trip."""

from uuid import UUID

from msaas.contracts import Message
from msaas.messaging.errors import TopicFull
from msaas.messaging.outgoing import Outbox, Outgoing
from msaas.telemetry import current_traceparent

MOST_WAITING = 10_000


class Publisher:
    """A caller waits until its entry is on the wire."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def publish(
        self,
        topic: str,
        message: Message,
        *,
        correlation_id: str,
        id: UUID | None = None,  # noqa: A002  # the header's own word
        traceparent: str | None = None,
    ) -> str | None:
        """Answer the entry's id, or None where a full topic lets this kind of message go."""
        return await self.send(
            Outgoing(
                message=message,
                topic=topic,
                id=id,
                correlation_id=correlation_id,
                traceparent=traceparent or current_traceparent(),
            )
        )

    async def send(self, outgoing: Outgoing) -> str | None:
        if self._outbox.backlog >= MOST_WAITING:
            raise TopicFull(topic=outgoing.topic, retry_after=1)
        entry_ids = await self._outbox.commit([outgoing])
        return entry_ids[0] if entry_ids else None

    async def close(self) -> None:
        """Wait for what is under way."""
        await self._outbox.close()
