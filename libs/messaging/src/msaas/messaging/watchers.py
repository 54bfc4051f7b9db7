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
        epoch = await self._wire.epoch(self._key, new_id().hex)
        failed: list[Exception] = []
        for listener in [one for one, told in self._told.items() if told != epoch]:
            self._log.info("wire_epoch_seen", epoch=epoch)
            try:
                await listener(epoch)
                self._told[listener] = epoch
            except Exception as error:  # noqa: BLE001  # one that fails holds back no other
                failed.append(error)
        if failed:
            raise failed[0]
        await self._pause(self._pace.watch)


class TopicWatcher(Loop):
    """Keeps the gauges of the work topics that this process consumes."""

    def __init__(self, station: Station, topics: Sequence[Topic]) -> None:
        super().__init__(station)
        self._topics = topics

    async def step(self) -> None:
        place = (self._station.environment, self._station.process)
        await self._pause(self._pace.gauge)
        for topic in self._topics:
            group = topic.group(self._station.process)
            stats = await self._wire.stats(topic.key(*place), group)
            dead = await self._wire.depth(topic.dead_letter_key(*place))
            poison = await self._wire.depth(topic.poison_key(*place))
            self._station.meter.show(topic.name, group, stats, dead + poison)
