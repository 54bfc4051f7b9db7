"""The batch runner: one handler call for each micro-batch, for owners who fold and persist."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from msaas.kernel import MsaasError
from msaas.messaging.loop import ConsumerContext, DeliveryReleased
from msaas.messaging.topic_consumer import TopicConsumer
from msaas.streams import BrokerUnavailable, Delivery, OutgoingMessage
from msaas.telemetry import is_sampled, span

BatchHandler = Callable[[Sequence[Delivery]], Awaitable[Sequence[OutgoingMessage]]]


class BatchConsumer(TopicConsumer):
    """The handler commits; the runner publishes what it returns and acknowledges, in one step.

    A batch that fails on its data is bisected until the failing entry stands alone.
    """

    def __init__(
        self,
        context: ConsumerContext,
        topic: str,
        handler: BatchHandler,
        max_size: int = 200,
        linger: float = 0,
    ) -> None:
        super().__init__(context, topic)
        self._handler, self._max_size, self._linger = handler, max_size, linger

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
        """Read what there is, and what comes within a moment of it: one transaction for both."""
        found = await self._read(self._max_size)
        if found and self._linger and len(found) < self._max_size:
            await self._wait_or_drain(self._linger)
            with suppress(
                BrokerUnavailable
            ):  # what was read before is in hand and has to be handled
                found += await self._read(self._max_size - len(found), block=0)
        return found

    async def _handle(self, batch: Sequence[Delivery]) -> None:
        try:
            outgoing = await self._retry_until_available(lambda: self._call_handler(batch))
            await self.ack_and_publish(
                outgoing, [delivery.entry_id for delivery in batch], "handled"
            )
        except DeliveryReleased:
            raise
        except Exception as error:  # noqa: BLE001  # whatever a handler raises is judged here
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
        traces = [d.entry.traceparent for d in batch if is_sampled(d.entry.traceparent)]
        with self._context.metrics.time_handler(self.topic.name):
            async with asyncio.timeout(self._timings.handler_timeout):
                if not traces:
                    return await self._handler(batch)
                links = [traceparent for traceparent in traces[1:] if traceparent]
                with span(f"{self.topic.name}.handle", traceparent=traces[0], links=links):
                    return await self._handler(batch)

    async def _handle_failure(self, delivery: Delivery, error: Exception) -> None:
        """One entry fails by itself: for good, or until it has been delivered too often."""
        permanent = isinstance(error, MsaasError) and not error.retryable
        self._log.error("message_failed", entry_id=delivery.entry_id, exc_info=error)
        if permanent:
            await self._dead_letter(delivery.raw, type(error).__name__, "poison")
        elif delivery.raw.delivery_count >= self._timings.max_deliveries:
            await self._dead_letter(delivery.raw, type(error).__name__, "transient")
        else:
            self._context.metrics.count(self.topic.name, "failed")
        del self._in_flight[delivery.entry_id]
