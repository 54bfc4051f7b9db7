"""The one thing a service builds: its connection, its grants and its loops, run and drained."""

import asyncio
import os
import socket
import time
from collections.abc import Sequence

from msaas.kernel import Clock, SystemClock
from msaas.messaging.batch import BatchHandler, BatchRunner
from msaas.messaging.commands import CommandClient
from msaas.messaging.loop import Loop, Pace, Station
from msaas.messaging.meter import Meter
from msaas.messaging.outgoing import Outbox
from msaas.messaging.publisher import Publisher
from msaas.messaging.runner import Runner
from msaas.messaging.tailer import EntriesListener, LogTailer, ResyncListener
from msaas.messaging.watchers import EpochListener, EpochWatcher, TopicWatcher
from msaas.messaging.wire import Wire
from msaas.messaging.work import Worker, WorkRunner
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
        outbox = Outbox(wire, process, environment, produces, clock=clock)
        self.station = Station(
            wire=wire,
            outbox=outbox,
            meter=Meter(metrics),
            process=process,
            environment=environment,
            consumer=f"{process}-{socket.gethostname()}-{os.getpid()}-{time.time_ns():x}",
            pace=pace or Pace(),
            clock=clock,
        )
        self.publisher = Publisher(outbox)
        self._runners: list[Runner] = []
        self._others: list[Loop] = []
        self._listeners: list[EpochListener] = []
        self._stopping = asyncio.Event()

    def batch(self, topic: str, handler: BatchHandler, *, count: int = 200) -> None:
        self._runners.append(BatchRunner(self.station, topic, handler, count=count))

    def work(self, topic: str, worker: Worker, *, slots: int) -> None:
        self._runners.append(WorkRunner(self.station, topic, worker, slots=slots))

    def tail(
        self, topics: Sequence[str], on_entries: EntriesListener, on_resync: ResyncListener
    ) -> LogTailer:
        tailer = LogTailer(self.station, topics, on_entries=on_entries, on_resync=on_resync)
        self._others.append(tailer)
        self._listeners.append(tailer.notice_epoch)
        return tailer

    def commands(self) -> CommandClient:
        client = CommandClient(self.station, self.publisher)
        self._others.append(client)
        self._listeners.append(client.notice_epoch)
        return client

    def on_epoch(self, listener: EpochListener) -> None:
        self._listeners.append(listener)

    def drain(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Run all loops until drained; consumers end first, then what serves them."""
        topics = [runner.topic for runner in self._runners]
        serving = [
            *self._others,
            EpochWatcher(self.station, self._listeners),
            TopicWatcher(self.station, topics),
        ]
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
