"""What a follower of a log is shown, and when it is told to ask the record instead."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from msaas.contracts import CancelRequested, Topic, get_topic
from msaas.messaging import Delivery, LogTailer, Messenger, WireUnavailable
from msaas.streams import Write
from msaas.testing import MemoryWire

ENV = "test"
TOPIC = "jobs.control"
KEY = get_topic(TOPIC).key(ENV)
WINDOW = 300.0


@dataclass
class Screen:
    """Writes down what it is shown, and fails as often as it is told to."""

    seen: list[UUID | str] = field(default_factory=list[UUID | str])
    failures: int = 0

    async def show(self, _topic: Topic, deliveries: Sequence[Delivery]) -> None:
        self._may_fail()
        for delivery in deliveries:
            assert isinstance(delivery.message, CancelRequested)
            self.seen.append(delivery.message.job_id)

    async def resync(self) -> None:
        self._may_fail()
        self.seen.append("resync")

    def _may_fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise ValueError("the screen is dark")


class Log:
    """One log, its writer and one follower."""

    def __init__(self, wire: MemoryWire, stand: Callable[..., Messenger]) -> None:
        self.screen = Screen()
        self._owner = stand(wire, "jobs", TOPIC)
        self.tailer: LogTailer = stand(wire, "jobs-worker").tail(
            [TOPIC], self.screen.show, self.screen.resync
        )

    async def write(self) -> UUID:
        job_id = uuid4()
        message = CancelRequested(job_id=job_id)
        await self._owner.publisher.publish(TOPIC, message, correlation_id="c")
        return job_id


@pytest.fixture
def log(wire: MemoryWire, stand: Callable[..., Messenger]) -> Log:
    return Log(wire, stand)


async def test_a_follower_starts_at_the_end_and_is_shown_nothing_older(log: Log) -> None:
    await log.write()
    await log.tailer.step()
    assert log.screen.seen == []
    fresh = await log.write()
    await log.tailer.step()
    assert log.screen.seen == [fresh]


async def test_a_log_that_does_not_exist_yet_is_shown_from_its_first_entry(log: Log) -> None:
    await log.tailer.step()
    first = await log.write()
    await log.tailer.step()
    assert log.screen.seen == [first]


async def test_a_gap_longer_than_the_retention_is_told_before_what_is_left(log: Log) -> None:
    await log.tailer.step()
    await log.write()
    await asyncio.sleep(WINDOW + 1)
    kept = await log.write()
    await log.tailer.step()
    assert log.screen.seen == ["resync", kept]
    after = await log.write()
    await log.tailer.step()
    assert log.screen.seen == ["resync", kept, after]


async def test_a_gap_shorter_than_the_retention_needs_no_resync(log: Log) -> None:
    await log.tailer.step()
    one = await log.write()
    await asyncio.sleep(WINDOW - 1)
    two = await log.write()
    await log.tailer.step()
    assert log.screen.seen == [one, two]


async def test_a_silent_log_is_no_gap(log: Log) -> None:
    for _ in range(round(2 * WINDOW)):
        await log.tailer.step()
    fresh = await log.write()
    await log.tailer.step()
    assert log.screen.seen == [fresh]


async def test_a_resync_that_fails_is_asked_for_again(log: Log) -> None:
    await log.tailer.step()
    await asyncio.sleep(WINDOW + 1)
    kept = await log.write()
    log.screen.failures = 1
    with pytest.raises(ValueError, match="dark"):
        await log.tailer.step()
    await log.tailer.step()
    assert log.screen.seen == ["resync", kept]


async def test_looks_that_do_not_reach_the_end_make_the_gap_no_smaller(log: Log) -> None:
    await log.tailer.step()
    jobs = await asyncio.gather(*(log.write() for _ in range(1001)))
    for _ in range(2):
        await asyncio.sleep(WINDOW / 2 + 1)
        await log.tailer.step()
    await log.tailer.step()
    assert log.screen.seen == [*jobs[:500], "resync", *jobs[500:]]


async def test_the_first_epoch_changes_nothing_and_the_next_starts_over(
    log: Log, wire: MemoryWire
) -> None:
    await log.tailer.notice_epoch("one")
    await log.write()
    await log.tailer.step()
    assert log.screen.seen == []
    wire.flush()
    written = [await log.write(), await log.write()]
    await log.tailer.notice_epoch("two")
    await log.tailer.step()
    assert log.screen.seen == ["resync", *written]


async def test_an_epoch_whose_resync_failed_is_not_taken_as_known(log: Log) -> None:
    await log.tailer.notice_epoch("one")
    log.screen.failures = 1
    with pytest.raises(ValueError, match="dark"):
        await log.tailer.notice_epoch("two")
    await log.tailer.notice_epoch("two")
    await log.tailer.notice_epoch("two")
    assert log.screen.seen == ["resync"]


async def test_an_epoch_that_ends_during_a_look_starts_over_all_the_same(log: Log) -> None:
    await log.tailer.notice_epoch("one")
    await log.tailer.step()
    looking = asyncio.create_task(log.tailer.step())
    await asyncio.sleep(0.5)
    await log.tailer.notice_epoch("two")
    await log.write()
    await looking
    assert log.tailer.positions == {KEY: "0-0"}


async def test_an_unreadable_entry_is_counted_and_hides_no_other(
    log: Log, wire: MemoryWire, counted: Callable[[str, str], float]
) -> None:
    await log.tailer.step()
    one = await log.write()
    await wire.commit([Write(KEY, {b"type": b"Nonsense"})])
    two = await log.write()
    await log.tailer.step()
    assert log.screen.seen == [one, two]
    assert counted(TOPIC, "poison") == 1
    await wire.commit([Write(KEY, {})])
    await log.tailer.step()
    await log.tailer.step()
    assert counted(TOPIC, "poison") == 2


async def test_entries_on_which_the_listener_failed_are_shown_again(log: Log) -> None:
    await log.tailer.step()
    job_id = await log.write()
    log.screen.failures = 2
    for _ in range(2):
        with pytest.raises(ValueError, match="dark"):
            await log.tailer.step()
    await log.tailer.step()
    await log.tailer.step()
    assert log.screen.seen == [job_id]


async def test_a_wire_that_was_away_costs_no_entry(log: Log, wire: MemoryWire) -> None:
    await log.tailer.step()
    one = await log.write()
    wire.fail_with(WireUnavailable(target="redis"))
    following = asyncio.create_task(log.tailer.run())
    await asyncio.sleep(30)
    wire.fail_with(None)
    two = await log.write()
    await asyncio.sleep(10)
    log.tailer.drain()
    await following
    assert log.screen.seen == [one, two]
