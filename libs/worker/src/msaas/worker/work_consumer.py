"""The work consumer: long work, one task for each entry, up to a fixed concurrency."""

import asyncio
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Protocol

from msaas.messaging import (
    ConsumerContext,
    Delivery,
    DeliveryReleased,
    OutgoingMessage,
    TopicConsumer,
)
from msaas.telemetry import bind, span


class AbandonReason(StrEnum):
    RECLAIMED = "reclaimed"  # its consumer died; how far it came is unknown
    DRAINED = "drained"  # this process shuts down
    FAILED = "failed"  # the handler raised


class WorkHandler(Protocol):
    async def run(self, delivery: Delivery) -> Sequence[OutgoingMessage]:
        """Do the work; the returned messages are published as the entry is acknowledged."""
        ...

    def on_abandoned(
        self, delivery: Delivery, reason: AbandonReason, error: Exception | None = None
    ) -> Sequence[OutgoingMessage]:
        """Return the messages to publish about work that was not finished."""
        ...


class WorkConsumer(TopicConsumer):
    """Never runs an entry that another consumer may have begun; its owner decides what follows."""

    def __init__(
        self, context: ConsumerContext, topic: str, handler: WorkHandler, *, concurrency: int
    ) -> None:
        super().__init__(context, topic)
        self._handler = handler
        self._concurrency = concurrency
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._closing = False

    async def _consume_once(self) -> None:
        for delivery in await self._reclaim():
            await self._publish_abandoned(delivery, AbandonReason.RECLAIMED)
        free_slots = self._concurrency - len(self._tasks)
        if not free_slots:
            timeout, first = self._timings.block_timeout, asyncio.FIRST_COMPLETED
            await asyncio.wait(self._tasks.values(), timeout=timeout, return_when=first)
            return
        for delivery in await self._read(free_slots):
            self._start_task(delivery)

    async def _finish_in_flight(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=self._timings.drain_timeout)
        self._closing = True
        overdue = list(self._tasks.values())
        for task in overdue:
            task.cancel()
        await asyncio.gather(*overdue, return_exceptions=True)

    def _on_leases_lost(self, entry_ids: Iterable[str]) -> None:
        for entry_id in entry_ids:
            if task := self._tasks.get(entry_id):
                self._log.warning("work_taken_over", entry_id=entry_id)
                task.cancel()

    def _start_task(self, delivery: Delivery) -> None:
        entry_id = delivery.entry_id
        self._in_flight[entry_id] = delivery
        task = asyncio.create_task(self._run_task(delivery), name=f"work {entry_id}")
        self._tasks[entry_id] = task

    async def _run_task(self, delivery: Delivery) -> None:
        try:
            await self._process(delivery)
        except DeliveryReleased:
            await self.release([delivery])
        except Exception as error:  # noqa: BLE001  # the entry is reclaimed later
            self._log.error("work_report_failed", entry_id=delivery.entry_id, exc_info=error)
        finally:
            del self._in_flight[delivery.entry_id]
            del self._tasks[delivery.entry_id]

    async def _process(self, delivery: Delivery) -> None:
        try:
            outgoing = await self._call_handler(delivery)
            await self.ack_and_publish(outgoing, [delivery.entry_id], "handled")
        except asyncio.CancelledError:
            if self._closing:
                await self._publish_abandoned(delivery, AbandonReason.DRAINED)
        except DeliveryReleased:
            raise
        except Exception as error:  # noqa: BLE001  # a failure is the outcome of the work
            self._log.error("work_failed", entry_id=delivery.entry_id, exc_info=error)
            await self._publish_abandoned(delivery, AbandonReason.FAILED, error)

    async def _call_handler(self, delivery: Delivery) -> Sequence[OutgoingMessage]:
        entry, name = delivery.entry, self.topic.name
        with (
            bind(correlation_id=entry.correlation_id),
            span(f"{name}.work", traceparent=entry.traceparent),
            self._context.metrics.time_handler(name),
        ):
            return await self._handler.run(delivery)

    async def _publish_abandoned(
        self, delivery: Delivery, reason: AbandonReason, error: Exception | None = None
    ) -> None:
        outgoing = self._handler.on_abandoned(delivery, reason, error)
        await self.ack_and_publish(outgoing, [delivery.entry_id], reason.value)
