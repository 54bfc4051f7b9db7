"""Loops that only look: the wire's epoch for owners, depths and ages for operators."""

from collections.abc import Awaitable, Callable, Sequence

from msaas.contracts import Topic, epoch_key
from msaas.kernel import new_id
from msaas.messaging.loop import BrokerLoop, ConsumerContext

EpochListener = Callable[[str], Awaitable[None]]


class EpochWatcher(BrokerLoop):
    """Tells every listener the epoch at the start and whenever the wire may have lost its data.

    An epoch counts as told only when the listener has returned; until then it is told again.
    """

    def __init__(self, context: ConsumerContext, listeners: Sequence[EpochListener]) -> None:
        super().__init__(context)
        self._key = epoch_key(context.environment)
        self._notified: dict[EpochListener, str] = dict.fromkeys(listeners, "")

    async def step(self) -> None:
        epoch = await self._broker.epoch(self._key, new_id().hex)
        failed: list[Exception] = []
        for listener in [one for one, told in self._notified.items() if told != epoch]:
            self._log.info("broker_epoch_changed", epoch=epoch)
            try:
                await listener(epoch)
                self._notified[listener] = epoch
            except Exception as error:  # noqa: BLE001  # one that fails holds back no other
                failed.append(error)
        if failed:
            raise failed[0]
        await self._wait_or_drain(self._timings.epoch_interval)


class TopicWatcher(BrokerLoop):
    """Keeps the gauges of the work topics that this process consumes."""

    def __init__(self, context: ConsumerContext, topics: Sequence[Topic]) -> None:
        super().__init__(context)
        self._topics = topics

    async def step(self) -> None:
        address = (self._context.environment, self._context.process)
        await self._wait_or_drain(self._timings.gauge_interval)
        for topic in self._topics:
            group = topic.group(self._context.process)
            stats = await self._broker.stats(topic.key(*address), group)
            dead = await self._broker.depth(topic.dead_letter_key(*address))
            poison = await self._broker.depth(topic.poison_key(*address))
            self._context.metrics.set_topic_gauges(topic.name, group, stats, dead + poison)
