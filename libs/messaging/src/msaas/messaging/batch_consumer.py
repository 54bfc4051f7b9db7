"""The batch consumer: one handler call, and so one transaction, for each micro-batch."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from itertools import accumulate
from math import inf
from typing import Final

from msaas.kernel import ErrorKind, MsaasError
from msaas.messaging.loop import ConsumerContext, DeliveryReleased
from msaas.messaging.topic_consumer import TopicConsumer
from msaas.streams import (
    BrokerUnavailable,
    Delivery,
    GroupMissing,
    OutgoingMessage,
    entry_position,
    is_dependency_failure,
)
from msaas.telemetry import batch_span

HELD_RECHECK_INTERVAL: Final = 0.1
MAX_HELD: Final = 1_000  # stop the reading of new entries; reclaiming, which frees them, goes on

Weigh = Callable[[Delivery], int]
WaitsForOlder = Callable[[Delivery], bool]
BatchHandler = Callable[[Sequence[Delivery]], Awaitable[Sequence[OutgoingMessage]]]


class BatchInterrupted(Exception):
    """Raised by a handler from the error of a dependency that failed amid a batch.

    `finished` deliveries are acknowledged as `outgoing` is published; the others are tried again.
    """

    def __init__(self, finished: Sequence[Delivery], outgoing: Sequence[OutgoingMessage]) -> None:
        super().__init__("a dependency failed amid the batch")
        self.finished, self.outgoing = finished, outgoing


class BatchConsumer(TopicConsumer):
    """The handler commits; then its messages are published and the batch is acknowledged at once.

    Calls are halved until a failing entry is alone, and grow again after it. A failure of a
    dependency is nobody's: the entries stay in hand and are tried again, in smaller calls where the
    dependency was too slow or rows were locked. An entry that `waits_for_older` is held until no
    older one is pending, also with other consumers.
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
        weigh: Weigh = lambda _: 1,
    ) -> None:
        super().__init__(context, topic)
        self._waits_for_older = waits_for_older
        self._held: set[str] = set()
        self._handler, self._max_size, self._linger, self._weigh = handler, size, linger, weigh
        self._call_size = size
        self._failures = 0
        self._handled_calls = 0
        self._timed_out: dict[str, int] = {}  # entries, and the calls handled at that moment

    async def _consume_once(self) -> None:
        try:
            await self._take()
            await self._handle_in_flight()
        except DeliveryReleased:
            await self._finish_in_flight()
        except GroupMissing:  # nobody handles what the held entries wait for
            self._forget(list(self._held))
            raise

    def _on_leases_lost(self, entry_ids: Iterable[str]) -> None:
        self._forget(list(self._held.intersection(entry_ids)))

    async def _finish_in_flight(self) -> None:
        await self.release(list(self._in_flight.values()))
        self._forget(list(self._in_flight))

    async def _take(self) -> None:
        """Read while there is room beside the entries that wait for a dependency."""
        waiting = self._list_not_held()
        room = self._max_size - self._weigh_all(waiting)
        if room > 0:
            found = await self._reclaim() or await self._read_batch(room, is_idle=not waiting)
            self._in_flight |= {delivery.entry_id: delivery for delivery in found}
            self._held |= {each.entry_id for each in found if self._waits_for_older(each)}

    def _list_not_held(self) -> list[Delivery]:
        return [each for id_, each in self._in_flight.items() if id_ not in self._held]

    def _weigh_all(self, deliveries: Iterable[Delivery]) -> int:
        return sum(map(self._weigh, deliveries))

    async def _read_batch(self, room: int, *, is_idle: bool) -> list[Delivery]:
        """Read what there is and, after `linger`, what came since: one transaction for both."""
        if len(self._held) >= MAX_HELD:
            await self._wait_or_drain(HELD_RECHECK_INTERVAL if is_idle else 0)
            return []
        block = HELD_RECHECK_INTERVAL if self._held else None
        found = await self._read(room, block if is_idle else 0)
        limit, lingers = self._read_limit, bool(self._linger and found and is_idle)
        with suppress(BrokerUnavailable):  # the entries read before are handled anyway
            while (free := room - self._weigh_all(found)) > 0 and (limit.is_reached or lingers):
                if not limit.is_reached:
                    lingers = False
                    await self._wait_or_drain(self._linger)
                found += await self._read(free, block=0)
        return found

    async def _handle_in_flight(self) -> None:
        """Handle all entries in hand, or stop where a dependency fails."""
        while batch := await self._choose_batch():
            try:
                await self._finish(batch, await self._call_handler(batch))
            except DeliveryReleased:
                raise
            except BatchInterrupted as interruption:
                await self._finish(interruption.finished, interruption.outgoing)
                await self._pause(interruption.__cause__ or interruption)
                return
            except Exception as error:  # noqa: BLE001  # each kind of failure has its answer
                if not await self._go_on_after(error, batch):
                    return
            else:
                self._failures = 0
                self._handled_calls += 1
                self._call_size = min(2 * self._call_size, self._max_size)

    async def _choose_batch(self) -> list[Delivery]:
        """Take the oldest entries that weigh no more than a call may; the held ones come last."""
        ready = self._list_not_held() or await self._list_ready_held()
        weights = accumulate(map(self._weigh, ready))
        return ready[: max(1, sum(weight <= self._call_size for weight in weights))]

    async def _list_ready_held(self) -> list[Delivery]:
        """List the held entries before which none is pending, in whose hands it may be.

        Older entries have all been read, so none can become pending after this look.
        """
        if not (held := frozenset(self._held)):
            return []
        newest = max(held, key=entry_position)
        oldest = await self._broker.find_oldest_pending(self._consumer, newest, held)
        first = entry_position(oldest) if oldest else (inf,)
        entries = [each for id_, each in self._in_flight.items() if id_ in held]
        return [each for each in entries if entry_position(each.entry_id) < first]

    async def _call_handler(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        name, traces = self.topic.name, [delivery.entry.traceparent for delivery in batch]
        async with asyncio.timeout(self._timings.handler_timeout):
            with self._context.metrics.time_handler(name), batch_span(f"{name}.handle", traces):
                return await self._handler(batch)

    async def _go_on_after(self, error: Exception, batch: Sequence[Delivery]) -> bool:
        """Return whether to continue with smaller calls now, or later.

        An entry that is too slow alone counts as failed only where other entries were handled since
        it was too slow before: else the dependency is slow, and not this entry.
        """
        if is_dependency_failure(error):
            await self._pause(error)
            return False
        self._call_size = max(1, self._weigh_all(batch) // 2)
        kind = error.kind if isinstance(error, MsaasError) and error.retryable else None
        is_slow = isinstance(error, TimeoutError) or kind is ErrorKind.TIMEOUT
        if len(batch) > 1 and not is_slow:
            return True
        if len(batch) == 1:
            id_, known = batch[0].entry_id, {None, self._handled_calls}
            may_pass = kind is ErrorKind.TIMEOUT and self._timed_out.get(id_) in known
            if not may_pass and kind is not ErrorKind.CONFLICT:
                await self._handle_failure(batch[0], error)
                return True
            if id_ in self._in_flight:  # the others come before it
                self._in_flight[id_] = self._in_flight.pop(id_)
            if is_slow:
                self._timed_out[id_] = self._handled_calls
        await self._pause(error)
        return False

    async def _finish(self, batch: Sequence[Delivery], outgoing: Sequence[OutgoingMessage]) -> None:
        entry_ids = [delivery.entry_id for delivery in batch]
        await self.ack_and_publish(outgoing, entry_ids, "handled")
        self._forget(entry_ids)

    async def _pause(self, error: BaseException) -> None:
        self._failures += 1
        await self._wait_for_dependency(error, self._failures)

    async def _handle_failure(self, delivery: Delivery, error: Exception) -> None:
        """Dead-letter an entry that failed alone, at once or after `max_deliveries`."""
        permanent = isinstance(error, MsaasError) and not error.retryable
        self._log.error("message_failed", entry_id=delivery.entry_id, exc_info=error)
        if permanent or delivery.raw.delivery_count >= self._timings.max_deliveries:
            kind = "poison" if permanent else "transient"
            await self._dead_letter(delivery.raw, type(error).__name__, kind)
        else:
            self._context.metrics.count(self.topic.name, "failed")
        self._forget([delivery.entry_id])

    def _forget(self, entry_ids: Sequence[str]) -> None:
        self._held.difference_update(entry_ids)
        for entry_id in entry_ids:
            self._in_flight.pop(entry_id, None)
            self._timed_out.pop(entry_id, None)
