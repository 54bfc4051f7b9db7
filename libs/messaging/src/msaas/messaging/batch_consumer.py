"""The batch consumer: one handler call, and so one transaction, for each micro-batch."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext, suppress
from itertools import accumulate

from msaas.kernel import ErrorKind, MsaasError
from msaas.messaging.held_entries import HELD_RECHECK_INTERVAL, HeldEntries, WaitsForOlder
from msaas.messaging.loop import ConsumerContext, DeliveryReleased
from msaas.messaging.topic_consumer import TopicConsumer
from msaas.streams import (
    BrokerUnavailable,
    Delivery,
    GroupMissing,
    OutgoingMessage,
    is_dependency_failure,
)
from msaas.telemetry import is_sampled, span

Weigh = Callable[[Delivery], int]
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

    A batch that fails on its data is bisected until the failing entry is alone. A failure of a
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
        self._held = HeldEntries(self._broker, self._consumer, waits_for_older)
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
            self._forget([entry_id for entry_id in self._in_flight if entry_id in self._held])
            raise

    def _on_leases_lost(self, entry_ids: Iterable[str]) -> None:
        self._forget([entry_id for entry_id in entry_ids if entry_id in self._held])

    async def _finish_in_flight(self) -> None:
        if self._in_flight:
            await self.release(list(self._in_flight.values()))
        self._forget(list(self._in_flight))

    async def _take(self) -> None:
        """Read while there is room beside the entries that wait for a dependency."""
        waiting = self._list_not_held()
        room = self._max_size - self._weigh_all(waiting)
        if room > 0:
            found = await self._reclaim() or await self._read_batch(room, is_idle=not waiting)
            self._in_flight |= {delivery.entry_id: delivery for delivery in found}
            self._held.hold(found)

    def _list_not_held(self) -> list[Delivery]:
        return [each for id_, each in self._in_flight.items() if id_ not in self._held]

    def _weigh_all(self, deliveries: Iterable[Delivery]) -> int:
        return sum(map(self._weigh, deliveries))

    async def _read_batch(self, room: int, *, is_idle: bool) -> list[Delivery]:
        """Read what there is and, after `linger`, what came since: one transaction for both."""
        if self._held.are_too_many:
            await self._wait_or_drain(HELD_RECHECK_INTERVAL if is_idle else 0)
            return []
        block = HELD_RECHECK_INTERVAL if self._held else None
        found = await self._read(room, block if is_idle else 0)
        lingers = bool(self._linger and found and is_idle)
        with suppress(BrokerUnavailable):  # the entries read before are handled anyway
            while (self._has_more or lingers) and (free := room - self._weigh_all(found)) > 0:
                if not self._has_more:
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
        ready = self._list_not_held()
        if not ready and self._held:
            ready_ids = await self._held.find_ready()
            ready = [each for id_, each in self._in_flight.items() if id_ in ready_ids]
        weights = accumulate(map(self._weigh, ready))
        return ready[: max(1, sum(weight <= self._call_size for weight in weights))]

    async def _call_handler(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        parents = [parent for d in batch if (parent := d.entry.traceparent) and is_sampled(parent)]
        name, tracing = self.topic.name, nullcontext()
        if parents:
            tracing = span(f"{name}.handle", traceparent=parents[0], links=parents[1:])
        async with asyncio.timeout(self._timings.handler_timeout):
            with self._context.metrics.time_handler(name), tracing:
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
        kind = error.kind if isinstance(error, MsaasError) else None
        is_slow = isinstance(error, TimeoutError) or kind is ErrorKind.TIMEOUT
        if len(batch) == 1:
            [delivery], id_ = batch, batch[0].entry_id
            is_locked = kind is ErrorKind.CONFLICT and getattr(error, "retryable", False)
            may_pass = self._timed_out.get(id_) in {None, self._handled_calls}
            if not is_locked and not (kind is ErrorKind.TIMEOUT and may_pass):
                await self._handle_failure(delivery, error)
                return True
            if id_ in self._in_flight:  # the others come before it
                self._in_flight[id_] = self._in_flight.pop(id_)
            if is_slow:
                self._timed_out[id_] = self._handled_calls
        elif not is_slow:
            return True
        await self._pause(error)
        return False

    async def _finish(self, batch: Sequence[Delivery], outgoing: Sequence[OutgoingMessage]) -> None:
        if batch:
            entry_ids = [delivery.entry_id for delivery in batch]
            await self.ack_and_publish(outgoing, entry_ids, "handled")
            self._forget(entry_ids)

    async def _pause(self, error: BaseException) -> None:
        """Wait before the next call, or release the entries where the process shuts down."""
        if self._stopping.is_set():
            raise DeliveryReleased from error
        self._failures += 1
        name = type(error).__name__
        self._log.warning("dependency_failed", attempt=self._failures, error=name)
        await self._wait_or_drain(self._timings.retry.delay(self._failures))
        if self._stopping.is_set():
            raise DeliveryReleased from error

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
        self._held.forget(entry_ids)
        for entry_id in entry_ids:
            self._in_flight.pop(entry_id, None)
            self._timed_out.pop(entry_id, None)
