"""Follows log topics from their end, and reports when entries may have been missed."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

from msaas.contracts import DecodeError, Topic, TopicKind, decode
from msaas.messaging.loop import BrokerLoop, ConsumerContext
from msaas.streams import Delivery, RawEntry

EntriesListener = Callable[[Topic, Sequence[Delivery]], Awaitable[None]]
ResyncListener = Callable[[], Awaitable[None]]
StartListener = Callable[[Mapping[str, str]], None]

MAX_READ_COUNT = 500


class LogTailer(BrokerLoop):
    """Reads without a group: every process sees every entry, and resyncs after a gap."""

    def __init__(
        self,
        context: ConsumerContext,
        topics: Sequence[str],
        on_entries: EntriesListener,
        on_resync: ResyncListener,
        on_start: StartListener,
    ) -> None:
        super().__init__(context)
        granted = [context.publisher.get_readable_topic(name, TopicKind.LOG) for name in topics]
        self._topics = {topic.key(context.environment): topic for topic in granted}
        self._retention = min(topic.retention or timedelta.max for topic in granted).total_seconds()
        self._on_entries, self._on_resync, self._on_start = on_entries, on_resync, on_start
        self._epoch = ""
        self.positions: dict[str, str] = {}
        self._caught_up_at = context.clock.monotonic()

    async def step(self) -> None:
        if not self.positions:
            self.positions = {key: await self._broker.last_id(key) for key in self._topics}
            self._caught_up_at = self._context.clock.monotonic()
            self._on_start(self.positions)
        positions = self.positions  # a new epoch replaces the dict
        found = await self._broker.tail(positions, MAX_READ_COUNT, self._timings.block_timeout)
        now = self._context.clock.monotonic()
        if found and now - self._caught_up_at > self._retention:
            # Entries written right after the last complete read may be trimmed by now.
            await self._on_resync()
            self._caught_up_at = now
        for key, entries in found.items():
            if deliveries := self._decode(self._topics[key], entries):
                await self._on_entries(self._topics[key], deliveries)
            positions[key] = entries[-1].entry_id
        if all(len(entries) < MAX_READ_COUNT for entries in found.values()):
            self._caught_up_at = now

    async def on_new_epoch(self, epoch: str) -> None:
        """Start again from the first entry when Redis was flushed or replaced."""
        if self._epoch and self._epoch != epoch:
            self.positions = dict.fromkeys(self._topics, "0-0")
            await self._on_resync()
        self._epoch = epoch

    def _decode(self, topic: Topic, entries: Sequence[RawEntry]) -> list[Delivery]:
        deliveries: list[Delivery] = []
        for raw in entries:
            try:
                deliveries.append(Delivery(raw, decode(topic, raw.fields)))
            except DecodeError as error:
                self._log.error("log_entry_unreadable", topic=topic.name, reason=error.reason)
                self._context.metrics.count(topic.name, "poison")
        return deliveries
