"""A batch that lingers includes entries that arrive within the window, and loses none."""

from collections.abc import Callable, Sequence
from typing import Any

from msaas.contracts import get_topic
from msaas.messaging import BatchConsumer, BrokerUnavailable, Delivery, Messenger, OutgoingMessage
from msaas.streams import RawEntry, StreamConsumer
from msaas.telemetry import Metrics
from msaas.testing import FakeClock, MemoryBroker, build_submit_job

ENV = "test"


class BurstyBroker(MemoryBroker):
    """Does something after its first read."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.after_read: Callable[[], Any] | None = None

    async def read(self, consumer: StreamConsumer, count: int, block: float) -> list[RawEntry]:
        found = await super().read(consumer, count, block)
        if self.after_read is not None:
            act, self.after_read = self.after_read, None
            await act()
        return found


def messenger(broker: MemoryBroker, clock: FakeClock, process: str) -> Messenger:
    metrics = Metrics(process, ENV)
    return Messenger(broker, process, ENV, metrics=metrics, clock=clock)


async def test_entries_within_the_batch_window_share_a_batch(fake_clock: FakeClock) -> None:
    broker = BurstyBroker(fake_clock)
    publisher = messenger(broker, fake_clock, "gateway").publisher
    sizes: list[int] = []

    async def publish() -> None:
        await publisher.publish("jobs.commands", build_submit_job(), correlation_id="c")

    async def handle(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        sizes.append(len(batch))
        return []

    context = messenger(broker, fake_clock, "jobs").context
    runner = BatchConsumer(context, "jobs.commands", handle, 200, 0.001)
    await publish()
    broker.after_read = publish
    await runner.step()
    assert sizes == [2]


async def test_entries_that_were_read_are_handled_when_the_broker_fails(
    fake_clock: FakeClock,
) -> None:
    broker = BurstyBroker(fake_clock)
    publisher = messenger(broker, fake_clock, "gateway").publisher
    await publisher.publish("jobs.commands", build_submit_job(), correlation_id="c")
    handled: list[str] = []

    async def fail() -> None:
        broker.fail_with(BrokerUnavailable(target="redis"))

    async def handle(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        broker.fail_with(None)
        handled.extend(delivery.entry_id for delivery in batch)
        return []

    context = messenger(broker, fake_clock, "jobs").context
    runner = BatchConsumer(context, "jobs.commands", handle, 200, 0.001)
    broker.after_read = fail
    await runner.step()
    assert len(handled) == 1
    key = get_topic("jobs.commands").key(ENV, "jobs")
    assert await broker.depth(key) == 0
