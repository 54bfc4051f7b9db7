"""The batch consumer: one handler call, and so one transaction, for each micro-batch."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext, suppress

from msaas.kernel import MsaasError
from msaas.messaging.loop import ConsumerContext, DeliveryReleased
from msaas.messaging.topic_consumer import TopicConsumer
from msaas.streams import BrokerUnavailable, Delivery, OutgoingMessage
from msaas.telemetry import is_sampled, span

BatchHandler = Callable[[Sequence[Delivery]], Awaitable[Sequence[OutgoingMessage]]]


class BatchConsumer(TopicConsumer):
    """The handler commits; then its messages are published and the batch is acknowledged at once.

    A batch that fails on its data is bisected until the failing entry is alone.
    """

    def __init__(
        self, context: ConsumerContext, topic: str, handler: BatchHandler, size: int, linger: float
    ) -> None:
        super().__init__(context, topic)
        self._handler, self._max_size, self._linger = handler, size, linger

    async def _consume_once(self) -> None:
        deliveries = await self._reclaim() or await self._read_batch()
        self._in_flight = {delivery.entry_id: delivery for delivery in deliveries}
        try:
            if deliveries:
                await self._handle(deliveries)
        except DeliveryReleased:
            await self.release(list(self._in_flight.values()))
        finally:
            self._in_flight = {}

    async def _read_batch(self) -> list[Delivery]:
        """Read what there is and, after `linger`, what came since: one transaction for both."""
        found = await self._read(self._max_size)
        if found and self._linger and len(found) < self._max_size:
            await self._wait_or_drain(self._linger)
            with suppress(BrokerUnavailable):  # the entries read before are handled anyway
                found += await self._read(self._max_size - len(found), block=0)
        return found

    async def _handle(self, batch: Sequence[Delivery]) -> None:
        try:
            outgoing = await self._retry_until_available(lambda: self._call_handler(batch))
            entry_ids = [delivery.entry_id for delivery in batch]
            await self.ack_and_publish(outgoing, entry_ids, "handled")
        except DeliveryReleased:
            raise
        except Exception as error:  # noqa: BLE001  # a handler may raise anything
            if len(batch) == 1:
                await self._handle_failure(batch[0], error)
            else:
                middle = len(batch) // 2
                await self._handle(batch[:middle])
                await self._handle(batch[middle:])
            return
        for delivery in batch:
            del self._in_flight[delivery.entry_id]

    async def _call_handler(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        parents = [parent for d in batch if (parent := d.entry.traceparent) and is_sampled(parent)]
        name, tracing = self.topic.name, nullcontext()
        if parents:
            tracing = span(f"{name}.handle", traceparent=parents[0], links=parents[1:])
        async with asyncio.timeout(self._timings.handler_timeout):
            with self._context.metrics.time_handler(name), tracing:
                return await self._handler(batch)

    async def _handle_failure(self, delivery: Delivery, error: Exception) -> None:
        """Dead-letter an entry that failed alone, at once or after `max_deliveries`."""
        permanent = isinstance(error, MsaasError) and not error.retryable
        self._log.error("message_failed", entry_id=delivery.entry_id, exc_info=error)
        if permanent or delivery.raw.delivery_count >= self._timings.max_deliveries:
            kind = "poison" if permanent else "transient"
            await self._dead_letter(delivery.raw, type(error).__name__, kind)
        else:
            self._context.metrics.count(self.topic.name, "failed")
        del self._in_flight[delivery.entry_id]
