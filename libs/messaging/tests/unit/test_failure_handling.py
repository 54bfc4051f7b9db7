"""Outcomes of messages: handled, dead-lettered, or pending through an outage."""

from collections.abc import Sequence

import pytest

from msaas.contracts import get_topic
from msaas.kernel import DependencyUnavailable, MsaasError
from msaas.messaging import BatchConsumer, BrokerUnavailable, Delivery, Messenger, OutgoingMessage
from msaas.streams import TopicAccessDenied
from msaas.telemetry import Metrics
from msaas.testing import FakeClock, MemoryBroker, build_submit_job

ENV = "test"
COMMANDS = get_topic("jobs.commands").key(ENV, "jobs")
POISON = get_topic("jobs.commands").poison_key(ENV, "jobs")
DEAD = get_topic("jobs.commands").dead_letter_key(ENV, "jobs")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def broker(clock: FakeClock) -> MemoryBroker:
    return MemoryBroker(clock)


def messenger(broker: MemoryBroker, clock: FakeClock, process: str) -> Messenger:
    metrics = Metrics(process, ENV)
    return Messenger(broker, process, ENV, metrics=metrics, clock=clock)


async def submit(broker: MemoryBroker, clock: FakeClock, count: int) -> None:
    publisher = messenger(broker, clock, "gateway").publisher
    for _ in range(count):
        await publisher.publish("jobs.commands", build_submit_job(), correlation_id="c")


async def test_one_permanent_message_among_a_hundred_is_dead_lettered_and_the_rest_handled(
    broker: MemoryBroker, clock: FakeClock
) -> None:
    class PermanentError(MsaasError):
        """Not retryable."""

    seen: set[str] = set()

    async def handle(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        ids = {delivery.entry_id for delivery in batch}
        if bad & ids:
            raise PermanentError
        seen.update(ids)
        return []

    await submit(broker, clock, 100)
    runner = BatchConsumer(
        messenger(broker, clock, "jobs").context, "jobs.commands", handle, 200, 0
    )
    bad = {(await broker.tail({COMMANDS: "0-0"}, 100, 0))[COMMANDS][41].entry_id}
    await runner.step()
    assert len(seen) == 99
    assert (await broker.depth(POISON), await broker.depth(COMMANDS)) == (1, 0)


async def test_an_outage_counts_as_no_delivery(broker: MemoryBroker, clock: FakeClock) -> None:
    async def handle(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
        runner.drain()
        raise DependencyUnavailable(target="postgres")

    await submit(broker, clock, 3)
    for _ in range(9):
        context = messenger(broker, clock, "jobs").context
        runner = BatchConsumer(context, "jobs.commands", handle, 200, 0)
        await runner.step()
    assert (await broker.depth(DEAD), await broker.depth(COMMANDS)) == (0, 3)


async def test_a_broker_failure_is_raised_and_the_next_call_works(
    broker: MemoryBroker, clock: FakeClock
) -> None:
    broker.fail_with(BrokerUnavailable(target="redis"))
    with pytest.raises(BrokerUnavailable):
        await submit(broker, clock, 1)
    broker.fail_with(None)
    await submit(broker, clock, 1)
    assert await broker.depth(COMMANDS) == 1


def test_what_the_registry_does_not_grant_is_refused_at_start(
    broker: MemoryBroker, clock: FakeClock
) -> None:
    with pytest.raises(TopicAccessDenied):
        messenger(broker, clock, "browser-worker").publisher.require_topics("jobs.browser")
    with pytest.raises(TopicAccessDenied):
        messenger(broker, clock, "gateway").consume_batches("jobs.commands", handler_of_nothing)


async def handler_of_nothing(batch: Sequence[Delivery]) -> list[OutgoingMessage]:
    return []
