"""Publishing that batches itself: whatever is asked for during one write goes into the next."""

import asyncio
from uuid import UUID

from msaas.contracts import Message
from msaas.messaging.errors import TopicFull
from msaas.messaging.outgoing import Outbox, Outgoing
from msaas.messaging.wire import Write
from msaas.telemetry import current_traceparent

MOST_PER_COMMIT = 500
MOST_WAITING = 10_000


class Publisher:
    """A caller waits until its entry is on the wire, and shares the round trip with all others."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._waiting: list[tuple[list[Write], asyncio.Future[str]]] = []
        self._flushing: asyncio.Task[None] | None = None

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
        if not await self._outbox.admits(outgoing):
            return None
        if len(self._waiting) >= MOST_WAITING:
            raise TopicFull(topic=outgoing.topic, retry_after=1)
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._outbox.writes(outgoing), done))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush(), name="publisher-flush")
        return await done

    async def close(self) -> None:
        """Wait for what is under way."""
        if self._flushing is not None:
            await self._flushing

    async def _flush(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[:MOST_PER_COMMIT]
                del self._waiting[:MOST_PER_COMMIT]
                await self._commit(batch)
        finally:
            self._flushing = None

    async def _commit(self, batch: list[tuple[list[Write], asyncio.Future[str]]]) -> None:
        try:
            entry_ids = await self._outbox.append([writes for writes, _ in batch])
        except Exception as error:  # noqa: BLE001  # whatever it is belongs to the callers
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
            return
        for (_, done), entry_id in zip(batch, entry_ids, strict=True):
            if not done.done():
                done.set_result(entry_id)
