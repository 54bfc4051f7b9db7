"""What the listener of a log receives, and when it resyncs from the database."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from msaas.contracts import CancelRequested, Topic, get_topic
from msaas.messaging import BrokerUnavailable, Delivery, Messenger
from msaas.messaging.log_tailer import LogTailer
from msaas.streams import Write
from msaas.testing import MemoryBroker

ENV = "test"
TOPIC = "jobs.control"
KEY = get_topic(TOPIC).key(ENV)
RETENTION = 300.0


@dataclass
class RecordingListener:
    """Records what it receives; its first calls fail."""

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

    def __init__(self, broker: MemoryBroker, make_messenger: Callable[..., Messenger]) -> None:
        self.listener = RecordingListener()
        self._owner = make_messenger(broker, "jobs")
        self.tailer: LogTailer = make_messenger(broker, "jobs-worker").tail_log(
            [TOPIC], self.listener.show, self.listener.resync
        )

    async def write(self) -> UUID:
        job_id = uuid4()
        message = CancelRequested(job_id=job_id)
        await self._owner.publisher.publish(TOPIC, message, correlation_id="c")
        return job_id


@pytest.fixture
def log(broker: MemoryBroker, make_messenger: Callable[..., Messenger]) -> Log:
    return Log(broker, make_messenger)


async def test_a_follower_starts_at_the_end_and_is_shown_nothing_older(log: Log) -> None:
    await log.write()
    await log.tailer.step()
    assert log.listener.seen == []
    fresh = await log.write()
    await log.tailer.step()
    assert log.listener.seen == [fresh]


async def test_a_log_that_does_not_exist_yet_is_shown_from_its_first_entry(log: Log) -> None:
    await log.tailer.step()
    first = await log.write()
    await log.tailer.step()
    assert log.listener.seen == [first]


async def test_a_gap_longer_than_the_retention_is_reported_before_the_remaining_entries(
    log: Log,
) -> None:
    await log.tailer.step()
    await log.write()
    await asyncio.sleep(RETENTION + 1)
    kept = await log.write()
    await log.tailer.step()
    assert log.listener.seen == ["resync", kept]
    after = await log.write()
    await log.tailer.step()
    assert log.listener.seen == ["resync", kept, after]


async def test_a_gap_shorter_than_the_retention_needs_no_resync(log: Log) -> None:
    await log.tailer.step()
    one = await log.write()
    await asyncio.sleep(RETENTION - 1)
    two = await log.write()
    await log.tailer.step()
    assert log.listener.seen == [one, two]


async def test_a_silent_log_is_no_gap(log: Log) -> None:
    for _ in range(round(2 * RETENTION)):
        await log.tailer.step()
    fresh = await log.write()
    await log.tailer.step()
    assert log.listener.seen == [fresh]


async def test_a_failed_resync_is_requested_again(log: Log) -> None:
    await log.tailer.step()
    await asyncio.sleep(RETENTION + 1)
    kept = await log.write()
    log.listener.failures = 1
    with pytest.raises(ValueError, match="dark"):
        await log.tailer.step()
    await log.tailer.step()
    assert log.listener.seen == ["resync", kept]


async def test_looks_that_do_not_reach_the_end_make_the_gap_no_smaller(log: Log) -> None:
    await log.tailer.step()
    jobs = await asyncio.gather(*(log.write() for _ in range(1001)))
    for _ in range(2):
        await asyncio.sleep(RETENTION / 2 + 1)
        await log.tailer.step()
    await log.tailer.step()
    assert log.listener.seen == [*jobs[:500], "resync", *jobs[500:]]


async def test_the_first_epoch_changes_nothing_and_the_next_starts_over(
    log: Log, broker: MemoryBroker
) -> None:
    await log.tailer.on_new_epoch("one")
    await log.write()
    await log.tailer.step()
    assert log.listener.seen == []
    broker.flush()
    written = [await log.write(), await log.write()]
    await log.tailer.on_new_epoch("two")
    await log.tailer.step()
    assert log.listener.seen == ["resync", *written]


async def test_an_epoch_whose_resync_failed_is_not_taken_as_known(log: Log) -> None:
    await log.tailer.on_new_epoch("one")
    log.listener.failures = 1
    with pytest.raises(ValueError, match="dark"):
        await log.tailer.on_new_epoch("two")
    await log.tailer.on_new_epoch("two")
    await log.tailer.on_new_epoch("two")
    assert log.listener.seen == ["resync"]


async def test_an_epoch_that_ends_during_a_poll_restarts_the_tailer(log: Log) -> None:
    await log.tailer.on_new_epoch("one")
    await log.tailer.step()
    polling = asyncio.create_task(log.tailer.step())
    await asyncio.sleep(0.5)
    await log.tailer.on_new_epoch("two")
    await log.write()
    await polling
    assert log.tailer.positions == {KEY: "0-0"}


async def test_an_unreadable_entry_is_counted_and_hides_no_other(
    log: Log, broker: MemoryBroker, counted: Callable[[str, str], float]
) -> None:
    await log.tailer.step()
    one = await log.write()
    await broker.commit([Write(KEY, {b"type": b"Nonsense"})])
    two = await log.write()
    await log.tailer.step()
    assert log.listener.seen == [one, two]
    assert counted(TOPIC, "poison") == 1
    await broker.commit([Write(KEY, {})])
    await log.tailer.step()
    await log.tailer.step()
    assert counted(TOPIC, "poison") == 2


async def test_entries_on_which_the_listener_failed_are_shown_again(log: Log) -> None:
    await log.tailer.step()
    job_id = await log.write()
    log.listener.failures = 2
    for _ in range(2):
        with pytest.raises(ValueError, match="dark"):
            await log.tailer.step()
    await log.tailer.step()
    await log.tailer.step()
    assert log.listener.seen == [job_id]


async def test_an_outage_of_the_broker_loses_no_entry(log: Log, broker: MemoryBroker) -> None:
    await log.tailer.step()
    one = await log.write()
    broker.fail_with(BrokerUnavailable(target="redis"))
    following = asyncio.create_task(log.tailer.run())
    await asyncio.sleep(30)
    broker.fail_with(None)
    two = await log.write()
    await asyncio.sleep(10)
    log.tailer.drain()
    await following
    assert log.listener.seen == [one, two]
