"""Loops that only look: the wire's epoch for owners, depths and ages for operators."""

from collections.abc import Awaitable, Callable, Sequence

from msaas.contracts import Topic, epoch_key
from msaas.kernel import new_id
from msaas.messaging.loop import Loop, Station

EpochListener = Callable[[str], Awaitable[None]]


class EpochWatcher(Loop):
    """Tells every listener the epoch at the start and whenever the wire may have lost its data.

    An epoch counts as told only when the listener has returned; until then it is told again.
    """

    def __init__(self, station: Station, listeners: Sequence[EpochListener]) -> None:
        super().__init__(station)
        self._key = epoch_key(station.environment)
        self._told: dict[EpochListener, str] = dict.fromkeys(listeners, "")

    async def step(self) -> None:
        epoch = await self._station.wire.epoch(self._key, new_id().hex)
        for listener, told in self._told.items():
            if told != epoch:
                self._log.info("wire_epoch_seen", epoch=epoch)
                await listener(epoch)
                self._told[listener] = epoch
        await self._pause(self._pace.watch)


class TopicWatcher(Loop):
    """Keeps the gauges of the work topics that this process consumes."""

    def __init__(self, station: Station, topics: Sequence[Topic]) -> None:
        super().__init__(station)
        self._topics = topics

    async def step(self) -> None:
        wire, environment = self._station.wire, self._station.environment
        process = self._station.process
        await self._pause(self._pace.gauge)
        for topic in self._topics:
            group = topic.group(process)
            stats = await wire.stats(topic.key(environment, process), group)
            dead = await wire.depth(topic.dead_letter_key(environment, process))
            poison = await wire.depth(topic.poison_key(environment, process))
            self._station.meter.show(topic.name, group, stats, dead + poison)
