"""What becomes of messages: handled, quarantined, or held through an outage."""

from collections.abc import Sequence

import pytest

from msaas.contracts import get_topic
from msaas.kernel import DependencyUnavailable, MsaasError
from msaas.messaging import (
    BatchRunner,
    Delivery,
    GrantRefused,
    Messenger,
    Outgoing,
    WireUnavailable,
)
from msaas.telemetry import Metrics
from msaas.testing import FakeClock, MemoryWire, build_submit_job

ENV = "test"
COMMANDS = get_topic("jobs.commands").key(ENV, "jobs")
POISON = get_topic("jobs.commands").poison_key(ENV, "jobs")
DEAD = get_topic("jobs.commands").dead_letter_key(ENV, "jobs")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def wire(clock: FakeClock) -> MemoryWire:
    return MemoryWire(clock)


def messenger(wire: MemoryWire, clock: FakeClock, process: str, *produces: str) -> Messenger:
    metrics = Metrics(process, ENV)
    return Messenger(wire, process, ENV, metrics=metrics, produces=produces, clock=clock)


async def submit(wire: MemoryWire, clock: FakeClock, count: int) -> None:
    publisher = messenger(wire, clock, "gateway", "jobs.commands").publisher
    for _ in range(count):
        await publisher.publish("jobs.commands", build_submit_job(), correlation_id="c")


async def test_one_hopeless_message_among_a_hundred_is_quarantined_and_the_rest_handled(
    wire: MemoryWire, clock: FakeClock
) -> None:
    class Hopeless(MsaasError):
        """Not retryable."""

    seen: set[str] = set()

    async def handle(batch: Sequence[Delivery]) -> list[Outgoing]:
        ids = {delivery.entry_id for delivery in batch}
        if bad & ids:
            raise Hopeless
        seen.update(ids)
        return []

    await submit(wire, clock, 100)
    runner = BatchRunner(messenger(wire, clock, "jobs").station, "jobs.commands", handle)
    bad = {(await wire.tail({COMMANDS: "0-0"}, 100, 0))[COMMANDS][41].entry_id}
    await runner.step()
    assert len(seen) == 99
    assert (await wire.depth(POISON), await wire.depth(COMMANDS)) == (1, 0)


async def test_an_outage_counts_as_no_delivery(wire: MemoryWire, clock: FakeClock) -> None:
    async def handle(batch: Sequence[Delivery]) -> list[Outgoing]:
        runner.drain()
        raise DependencyUnavailable(target="postgres")

    await submit(wire, clock, 3)
    for _ in range(9):
        station = messenger(wire, clock, "jobs").station
        runner = BatchRunner(station, "jobs.commands", handle)
        await runner.step()
    assert (await wire.depth(DEAD), await wire.depth(COMMANDS)) == (0, 3)


async def test_a_wire_that_fails_is_told_to_the_caller_and_works_again_after(
    wire: MemoryWire, clock: FakeClock
) -> None:
    wire.fail_with(WireUnavailable(target="redis"))
    with pytest.raises(WireUnavailable):
        await submit(wire, clock, 1)
    wire.fail_with(None)
    await submit(wire, clock, 1)
    assert await wire.depth(COMMANDS) == 1


def test_what_the_registry_does_not_grant_is_refused_at_start(
    wire: MemoryWire, clock: FakeClock
) -> None:
    with pytest.raises(GrantRefused):
        messenger(wire, clock, "browser-worker", "jobs.browser")
    with pytest.raises(GrantRefused):
        messenger(wire, clock, "gateway").batch("jobs.commands", handler_of_nothing)


async def handler_of_nothing(batch: Sequence[Delivery]) -> list[Outgoing]:
    return []
