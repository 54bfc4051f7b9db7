"""The batch runner: one handler call for each micro-batch, for owners who fold and persist."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from msaas.kernel import MsaasError
from msaas.messaging.loop import HandedBack, Station
from msaas.messaging.runner import Runner
from msaas.streams import Delivery, Outgoing, WireUnavailable
from msaas.telemetry import is_sampled, span

BatchHandler = Callable[[Sequence[Delivery]], Awaitable[Sequence[Outgoing]]]


class BatchRunner(Runner):
    """The handler commits; the runner publishes what it returns and acknowledges, in one step.

    A batch that fails on its data is bisected until the failing entry stands alone.
    """

    def __init__(
        self,
        station: Station,
        topic: str,
        handler: BatchHandler,
        count: int = 200,
        linger: float = 0,
    ) -> None:
        super().__init__(station, topic)
        self._handler, self._count, self._linger = handler, count, linger

    async def _round(self) -> None:
        deliveries = await self._reclaim() or await self._gather()
        self._held = {delivery.entry_id: delivery for delivery in deliveries}
        try:
            if deliveries:
                await self._handle(deliveries)
        except HandedBack:
            await self._hand_back(list(self._held.values()))
        finally:
            self._held = {}

    async def _gather(self) -> list[Delivery]:
        """Read what there is, and what comes within a moment of it: one transaction for both."""
        found = await self._read(self._count)
        if found and self._linger and len(found) < self._count:
            await self._pause(self._linger)
            with suppress(WireUnavailable):  # what was read before is in hand and has to be handled
                found += await self._read(self._count - len(found), block=0)
        return found

    async def _handle(self, batch: Sequence[Delivery]) -> None:
        try:
            outgoing = await self._insist(lambda: self._call(batch))
            await self._settle(outgoing, [delivery.entry_id for delivery in batch], "handled")
        except HandedBack:
            raise
        except Exception as error:  # noqa: BLE001  # whatever a handler raises is judged here
            if len(batch) == 1:
                await self._judge(batch[0], error)
            else:
                middle = len(batch) // 2
                await self._handle(batch[:middle])
                await self._handle(batch[middle:])
            return
        for delivery in batch:
            del self._held[delivery.entry_id]

    async def _call(self, batch: Sequence[Delivery]) -> Sequence[Outgoing]:
        traces = [d.entry.traceparent for d in batch if is_sampled(d.entry.traceparent)]
        with self._station.meter.time(self.topic.name):
            async with asyncio.timeout(self._pace.handler):
                if not traces:
                    return await self._handler(batch)
                links = [traceparent for traceparent in traces[1:] if traceparent]
                with span(f"{self.topic.name}.handle", traceparent=traces[0], links=links):
                    return await self._handler(batch)

    async def _judge(self, delivery: Delivery, error: Exception) -> None:
        """One entry fails by itself: for good, or until it has been delivered too often."""
        hopeless = isinstance(error, MsaasError) and not error.retryable
        self._log.error("message_failed", entry_id=delivery.entry_id, exc_info=error)
        if hopeless:
            await self._bury(delivery.raw, type(error).__name__, "poison")
        elif delivery.raw.deliveries >= self._pace.deliveries:
            await self._bury(delivery.raw, type(error).__name__, "transient")
        else:
            self._station.meter.count(self.topic.name, "failed")
        del self._held[delivery.entry_id]
