"""The one thing a service builds: its connection, its grants and its loops, run and drained."""

import asyncio
import os
import socket
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from msaas.contracts import cancel_key
from msaas.kernel import Clock, SystemClock
from msaas.messaging.batch import BatchHandler, BatchRunner
from msaas.messaging.commands import CommandClient
from msaas.messaging.loop import Loop, Pace, Station
from msaas.messaging.meter import Meter
from msaas.messaging.runner import Runner
from msaas.messaging.tailer import BeginListener, EntriesListener, LogTailer, ResyncListener
from msaas.messaging.watchers import EpochListener, EpochWatcher, TopicWatcher
from msaas.messaging.work import Worker, WorkRunner
from msaas.streams import Outbox, Wire
from msaas.telemetry import Metrics


class Messenger:
    """Asking for a topic that the registry does not grant raises at once, so at start."""

    def __init__(
        self,
        wire: Wire,
        process: str,
        environment: str,
        *,
        metrics: Metrics,
        produces: Sequence[str] = (),
        pace: Pace | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self.publisher = Outbox(wire, process, environment, produces, clock=clock)
        self.station = Station(
            wire=wire,
            outbox=self.publisher,
            meter=Meter(metrics),
            process=process,
            environment=environment,
            consumer=f"{process}-{socket.gethostname()}-{os.getpid()}-{time.time_ns():x}",
            pace=pace or Pace(),
            clock=clock,
        )
        self._runners: list[Runner] = []
        self._others: list[Loop] = []
        self._listeners: list[EpochListener] = []
        self._stopping = asyncio.Event()

    def batch(self, topic: str, handler: BatchHandler, count: int = 200, linger: float = 0) -> None:
        """Handle in micro-batches; `linger` seconds let more come together in one."""
        self._runners.append(BatchRunner(self.station, topic, handler, count, linger))

    def work(self, topic: str, worker: Worker, *, slots: int) -> None:
        self._runners.append(WorkRunner(self.station, topic, worker, slots=slots))

    def tail(
        self,
        topics: Sequence[str],
        on_entries: EntriesListener,
        on_resync: ResyncListener,
        on_begin: BeginListener = lambda _: None,
    ) -> LogTailer:
        tailer = LogTailer(
            self.station, topics, on_entries=on_entries, on_resync=on_resync, on_begin=on_begin
        )
        self._others.append(tailer)
        self._listeners.append(tailer.notice_epoch)
        return tailer

    def commands(self) -> CommandClient:
        client = CommandClient(self.station)
        self._others.append(client)
        self._listeners.append(client.notice_epoch)
        return client

    def on_epoch(self, listener: EpochListener) -> None:
        self._listeners.append(listener)

    async def find_on_wire(self, topic: str, entry_ids: Sequence[str]) -> frozenset[str]:
        """Tell which entries of a topic of one's own still wait or run."""
        return await self.station.wire.find(self.publisher.get_key(topic), entry_ids)

    async def withdraw(self, topic: str, entry_ids: Sequence[str]) -> None:
        """Take entries back that nobody shall run any more."""
        await self.station.wire.delete(self.publisher.get_key(topic), entry_ids)

    async def mark_cancelled(self, job_ids: Iterable[UUID], ttl: timedelta) -> None:
        """Leave a word for workers that have not picked these jobs up yet."""
        keys = [cancel_key(self.station.environment, job_id) for job_id in job_ids]
        await self.station.wire.mark(keys, ttl)

    async def find_cancelled(self, job_ids: Iterable[UUID]) -> frozenset[UUID]:
        keys = {cancel_key(self.station.environment, job_id): job_id for job_id in job_ids}
        return frozenset(keys[key] for key in await self.station.wire.find_marked(list(keys)))

    def drain(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Run all loops until drained; consumers end first, then what serves them."""
        topics = [runner.topic for runner in self._runners]
        epochs = EpochWatcher(self.station, self._listeners)
        serving = (*self._others, epochs, TopicWatcher(self.station, topics))
        async with asyncio.TaskGroup() as group:
            for loop in serving:
                group.create_task(loop.run(), name=type(loop).__name__)
            consuming = [group.create_task(runner.run()) for runner in self._runners]
            await self._stopping.wait()
            for runner in self._runners:
                runner.drain()
            await asyncio.gather(*consuming)
            for loop in serving:
                loop.drain()
        await self.publisher.close()
