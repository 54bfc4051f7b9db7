"""The work runner: long work, one task for each entry, as many as there are free slots."""

import asyncio
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Protocol

from msaas.messaging.loop import HandedBack, Station
from msaas.messaging.runner import Runner
from msaas.streams import Delivery, Outgoing
from msaas.telemetry import bind, span


class GivenUp(StrEnum):
    RECLAIMED = "reclaimed"  # its consumer fell silent: who knows how far it came
    DRAINED = "drained"  # this process has to go
    FAILED = "failed"  # the worker raised


class Worker(Protocol):
    async def run(self, delivery: Delivery) -> Sequence[Outgoing]:
        """Do the work; what is returned is published as the entry is acknowledged."""
        ...

    def give_up(
        self, delivery: Delivery, why: GivenUp, error: Exception | None = None
    ) -> Sequence[Outgoing]:
        """Say what is to be published about work that was not finished."""
        ...


class WorkRunner(Runner):
    """Never runs an entry that somebody else may have begun: that is for its owner to decide."""

    def __init__(self, station: Station, topic: str, worker: Worker, *, slots: int) -> None:
        super().__init__(station, topic)
        self._worker = worker
        self._slots = slots
        self._running: dict[str, asyncio.Task[None]] = {}
        self._closing = False

    async def _round(self) -> None:
        for delivery in await self._reclaim():
            await self._report(delivery, GivenUp.RECLAIMED)
        free = self._slots - len(self._running)
        if not free:
            first = asyncio.FIRST_COMPLETED
            await asyncio.wait(self._running.values(), timeout=self._pace.block, return_when=first)
            return
        for delivery in await self._read(free):
            self._start(delivery)

    async def _finish(self) -> None:
        if self._running:
            await asyncio.wait(self._running.values(), timeout=self._pace.drain)
        self._closing = True
        late = list(self._running.values())
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _lose(self, entry_ids: Iterable[str]) -> None:
        for entry_id in entry_ids:
            if task := self._running.get(entry_id):
                self._log.warning("work_taken_over", entry_id=entry_id)
                task.cancel()

    def _start(self, delivery: Delivery) -> None:
        entry_id = delivery.entry_id
        self._held[entry_id] = delivery
        self._running[entry_id] = asyncio.create_task(self._work(delivery), name=f"work {entry_id}")

    async def _work(self, delivery: Delivery) -> None:
        try:
            await self._bring_to_an_end(delivery)
        except HandedBack:
            await self._hand_back([delivery])
        except Exception as error:  # noqa: BLE001  # left to its idle time, and then to a report
            self._log.error("work_unreported", entry_id=delivery.entry_id, exc_info=error)
        finally:
            del self._held[delivery.entry_id]
            del self._running[delivery.entry_id]

    async def _bring_to_an_end(self, delivery: Delivery) -> None:
        try:
            outgoing = await self._attempt(delivery)
            await self._settle(outgoing, [delivery.entry_id], "handled")
        except asyncio.CancelledError:
            if self._closing:
                await self._report(delivery, GivenUp.DRAINED)
        except HandedBack:
            raise
        except Exception as error:  # noqa: BLE001  # a worker's failure is its entry's outcome
            self._log.error("work_failed", entry_id=delivery.entry_id, exc_info=error)
            await self._report(delivery, GivenUp.FAILED, error)

    async def _attempt(self, delivery: Delivery) -> Sequence[Outgoing]:
        entry, name = delivery.entry, self.topic.name
        with (
            bind(correlation_id=entry.correlation_id),
            span(f"{name}.work", traceparent=entry.traceparent),
            self._station.meter.time(name),
        ):
            return await self._worker.run(delivery)

    async def _report(
        self, delivery: Delivery, why: GivenUp, error: Exception | None = None
    ) -> None:
        outgoing = self._worker.give_up(delivery, why, error)
        await self._settle(outgoing, [delivery.entry_id], why.value)
