"""The batch consumer: one handler call, and so one transaction, for each micro-batch."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext, suppress
from typing import Final

from msaas.kernel import MsaasError
from msaas.messaging.loop import ConsumerContext, DeliveryReleased
from msaas.messaging.topic_consumer import TopicConsumer
from msaas.streams import (
    BrokerUnavailable,
    Delivery,
    GroupMissing,
    OutgoingMessage,
    entry_position,
)
from msaas.telemetry import is_sampled, span

BatchHandler = Callable[[Sequence[Delivery]], Awaitable[Sequence[OutgoingMessage]]]
WaitsForOlder = Callable[[Delivery], bool]

HELD_RECHECK_INTERVAL: Final = 0.1
MAX_HELD: Final = 1_000
"""So many held entries stop the reading of new ones; reclaiming, which frees them, goes on."""


class BatchConsumer(TopicConsumer):
    """The handler commits; then its messages are published and the batch is acknowledged at once.

    A batch that fails on its data is bisected until the failing entry is alone. An entry that
    `waits_for_older` is held until no older one is pending, also with other consumers.
    """

    def __init__(
        self,
        context: ConsumerContext,
        topic: str,
        handler: BatchHandler,
        size: int,
        linger: float,
        *,
        waits_for_older: WaitsForOlder = lambda _: False,
    ) -> None:
        super().__init__(context, topic)
        self._handler, self._max_size, self._linger = handler, size, linger
        self._waits_for_older = waits_for_older
        self._held: dict[str, Delivery] = {}

    async def _consume_once(self) -> None:
        try:
            deliveries = await self._reclaim() or await self._read_batch()
            self._in_flight |= {delivery.entry_id: delivery for delivery in deliveries}
            await self._handle_in_order(deliveries)
        except DeliveryReleased:
            self._held = {}
            await self.release(list(self._in_flight.values()))
        except GroupMissing:
            self._held = {}  # nobody handles what these wait for
            raise
        finally:
            self._in_flight = dict(self._held)

    async def _finish_in_flight(self) -> None:
        if self._held:
            await self.release(list(self._held.values()))

    def _on_leases_lost(self, entry_ids: Iterable[str]) -> None:
        for entry_id in entry_ids:
            self._held.pop(entry_id, None)

    async def _read_batch(self) -> list[Delivery]:
        """Read what there is and, after `linger`, what came since: one transaction for both."""
        if len(self._held) >= MAX_HELD:
            await self._wait_or_drain(HELD_RECHECK_INTERVAL)
            return []
        found = await self._read(self._max_size, HELD_RECHECK_INTERVAL if self._held else None)
        if found and self._linger and len(found) < self._max_size:
            await self._wait_or_drain(self._linger)
            with suppress(BrokerUnavailable):  # the entries read before are handled anyway
                found += await self._read(self._max_size - len(found), block=0)
        return found

    async def _handle_in_order(self, deliveries: Sequence[Delivery]) -> None:
        """Handle first what does not wait: where that fails, it is waited for."""
        self._held |= {d.entry_id: d for d in deliveries if self._waits_for_older(d)}
        if others := [d for d in deliveries if d.entry_id not in self._held]:
            await self._handle(others)
        if self._held:
            await self._handle_held()

    async def _handle_held(self) -> None:
        """Handle what no older entry is pending before, in whose hands it may be.

        Older entries have all been read, so none can become pending after this look.
        """
        held = sorted(self._held.values(), key=lambda delivery: entry_position(delivery.entry_id))
        held_ids = frozenset(delivery.entry_id for delivery in held)
        oldest = await self._broker.find_oldest_pending(self._consumer, held[-1].entry_id, held_ids)
        if oldest is not None:
            first = entry_position(oldest)
            held = [each for each in held if entry_position(each.entry_id) < first]
        for start in range(0, len(held), self._max_size):
            batch = held[start : start + self._max_size]
            await self._handle(batch)
            self._on_leases_lost(delivery.entry_id for delivery in batch)

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
