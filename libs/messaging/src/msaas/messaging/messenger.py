"""Builds, runs and drains everything that one process does with the broker."""

import asyncio
import os
import socket
import time
from collections.abc import Sequence
from functools import partial

from msaas.contracts import EPOCH_CREATOR, epoch_key
from msaas.kernel import Clock, PeriodicTask, SystemClock
from msaas.messaging.batch_consumer import BatchConsumer, BatchHandler, WaitsForOlder, Weigh
from msaas.messaging.command_client import CommandClient
from msaas.messaging.log_tailer import EntriesListener, LogTailer, ResyncListener, StartListener
from msaas.messaging.loop import BrokerLoop, ConsumerContext, ConsumerTimings
from msaas.messaging.message_metrics import MessageMetrics
from msaas.messaging.topic_consumer import TopicConsumer
from msaas.redis import EpochListener, EpochWatcher
from msaas.streams import Broker, StreamPublisher
from msaas.telemetry import Metrics, log_task_failure


class Messenger:
    """Consuming from a topic that the registry does not grant raises at once, so at start."""

    def __init__(
        self,
        broker: Broker,
        process: str,
        environment: str,
        *,
        metrics: Metrics,
        timings: ConsumerTimings | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self.publisher = StreamPublisher(broker, process, environment, clock=clock)
        self.context = ConsumerContext(
            broker=broker,
            publisher=self.publisher,
            metrics=MessageMetrics(metrics),
            process=process,
            environment=environment,
            consumer_name=f"{process}-{socket.gethostname()}-{os.getpid()}-{time.time_ns():x}",
            timings=timings or ConsumerTimings(),
            clock=clock,
        )
        self._consumers: list[TopicConsumer] = []
        self._loops: list[BrokerLoop] = []
        self._epoch_listeners: list[EpochListener] = []
        self._stopping = asyncio.Event()

    def consume_batches(
        self,
        topic: str,
        handler: BatchHandler,
        max_size: int = 200,
        linger: float = 0,
        *,
        waits_for_older: WaitsForOlder = lambda _: False,
        weigh: Weigh = lambda _: 1,
    ) -> None:
        """Handle in micro-batches that weigh up to `max_size`, and wait `linger` seconds for more.

        What `waits_for_older` is handled after everything older, also after what others have read.
        """
        context = self.context
        consumer = BatchConsumer(
            context, topic, handler, max_size, linger, waits_for_older=waits_for_older, weigh=weigh
        )
        self.add_consumer(consumer)

    def add_consumer(self, consumer: TopicConsumer) -> None:
        self._consumers.append(consumer)

    def tail_log(
        self,
        topics: Sequence[str],
        on_entries: EntriesListener,
        on_resync: ResyncListener,
        on_start: StartListener = lambda _: None,
    ) -> LogTailer:
        tailer = LogTailer(self.context, topics, on_entries, on_resync, on_start)
        self._loops.append(tailer)
        self._epoch_listeners.append(tailer.on_new_epoch)
        return tailer

    def create_command_client(self) -> CommandClient:
        client = CommandClient(self.context)
        self._loops.append(client)
        self._epoch_listeners.append(client.on_new_epoch)
        return client

    def on_epoch(self, listener: EpochListener) -> None:
        self._epoch_listeners.append(listener)

    async def find_entries(self, topic: str, entry_ids: Sequence[str]) -> frozenset[str]:
        """Return those entries of a topic of this process that still wait or run."""
        return await self.context.broker.find(self.publisher.get_stream_key(topic), entry_ids)

    async def withdraw(self, topic: str, entry_ids: Sequence[str]) -> None:
        """Delete entries that no worker shall run any more."""
        await self.context.broker.delete(self.publisher.get_stream_key(topic), entry_ids)

    def drain(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Run all loops until drained; consumers end first, then the loops that serve them."""
        timings, key = self.context.timings, epoch_key(self.context.environment)
        creates = self.context.process == EPOCH_CREATOR
        watcher = EpochWatcher(self.context.broker, key, self._epoch_listeners, is_creator=creates)
        periodic = partial(PeriodicTask, report_failure=log_task_failure, backoff=timings.retry)
        serving = [
            *self._loops,
            periodic("epoch watcher", watcher.step, period=timings.epoch_interval),
            periodic("topic gauges", self._update_gauges, period=timings.gauge_interval),
        ]
        async with asyncio.TaskGroup() as group:
            for loop in serving:
                group.create_task(loop.run(), name=type(loop).__name__)
            consuming = [group.create_task(consumer.run()) for consumer in self._consumers]
            await self._stopping.wait()
            for consumer in self._consumers:
                consumer.drain()
            await asyncio.gather(*consuming)
            for loop in serving:
                loop.drain()
        await self.publisher.close()

    async def _update_gauges(self) -> None:
        for consumer in self._consumers:
            await consumer.update_gauges()
