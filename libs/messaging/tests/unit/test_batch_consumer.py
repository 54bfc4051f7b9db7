"""Micro-batches: which entries are retried, dead-lettered, or never executed."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from uuid import UUID

import pytest

from msaas.contracts import SubmitJob, get_topic
from msaas.kernel import CommandTimeout, DependencyUnavailable, ErrorKind, MsaasError
from msaas.messaging import (
    BatchConsumer,
    BatchInterrupted,
    Delivery,
    Messenger,
    OutgoingMessage,
)
from msaas.messaging.batch_consumer import Weigh
from msaas.messaging.loop import BrokerLoop
from msaas.streams import StreamConsumer
from msaas.testing import MemoryBroker, build_submit_job, wait_until

ENV = "test"
TOPIC = get_topic("jobs.commands")
COMMANDS = TOPIC.key(ENV, "jobs")
DEAD = TOPIC.dead_letter_key(ENV, "jobs")
PEER = StreamConsumer(COMMANDS, "jobs", "jobs-peer")

Running = Callable[[BrokerLoop], AbstractAsyncContextManager[asyncio.Task[None]]]
Counted = Callable[[str, str], float]


class RowsLocked(MsaasError):
    code, kind, retryable = "conflict", ErrorKind.CONFLICT, True


class Owner:
    """Handles commands: hangs on some, raises on some, and is slow on all."""

    def __init__(self) -> None:
        self.calls: list[list[UUID]] = []
        self.handled: list[UUID] = []
        self.hangs_on: set[UUID] = set()
        self.fails_on: dict[UUID, Exception] = {}
        self.seconds = 0.0
        self.can_handle = 1_000  # entries in one call before its statements take too long

    async def handle(self, batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        jobs = [d.message.job_id for d in batch if isinstance(d.message, SubmitJob)]
        self.calls.append(jobs)
        await asyncio.sleep(self.seconds)
        if len(jobs) > self.can_handle:
            await asyncio.sleep(5)
            raise CommandTimeout(target="postgres")
        if self.hangs_on & set(jobs):
            await asyncio.Event().wait()
        for job_id in jobs:
            if job_id in self.fails_on:
                raise self.fails_on[job_id]
        self.handled += jobs
        return []


class BatchHarness:
    """A gateway that sends commands, and the owner's runner."""

    def __init__(self, broker: MemoryBroker, make_messenger: Callable[..., Messenger]) -> None:
        self.broker, self.owner = broker, Owner()
        self._gateway = make_messenger(broker, "gateway").publisher
        self._context = make_messenger(broker, "jobs").context

    def consumer(self, max_size: int = 200, weigh: Weigh = lambda _: 1) -> BatchConsumer:
        handle = self.owner.handle
        return BatchConsumer(self._context, TOPIC.name, handle, max_size, 0, weigh=weigh)

    async def send(self, ttl_ms: int | None = None) -> UUID:
        command = build_submit_job()
        outgoing = OutgoingMessage(
            message=command, topic=TOPIC.name, correlation_id="c", ttl_ms=ttl_ms
        )
        await self._gateway.send(outgoing)
        return command.job_id

    async def empty(self) -> bool:
        return await self.broker.depth(COMMANDS) == 0

    async def list_dead_letters(self) -> list[Mapping[bytes, bytes]]:
        found = await self.broker.tail({DEAD: "0-0"}, 100, 0)
        return [raw.fields for raw in found.get(DEAD, [])]


@pytest.fixture
def harness(broker: MemoryBroker, make_messenger: Callable[..., Messenger]) -> BatchHarness:
    return BatchHarness(broker, make_messenger)


async def test_what_fails_five_deliveries_is_a_dead_letter_of_the_class_transient(
    harness: BatchHarness, running: Running, counted: Counted
) -> None:
    bad, good = await harness.send(), await harness.send()
    harness.owner.fails_on[bad] = ValueError("a row of no use")
    async with running(harness.consumer()):
        await wait_until(harness.empty, timeout=600)
    assert harness.owner.handled == [good]
    assert harness.owner.calls.count([bad]) == 5
    [dead_letter] = await harness.list_dead_letters()
    assert (dead_letter[b"dlq_kind"], dead_letter[b"dlq_deliveries"]) == (b"transient", b"5")
    assert dead_letter[b"dlq_error"] == b"ValueError"
    outcomes = ("handled", "failed", "transient", "poison")
    assert [counted(TOPIC.name, outcome) for outcome in outcomes] == [1, 4, 1, 0]


async def test_a_handler_that_hangs_is_cut_off_and_counts_as_a_failure(
    harness: BatchHarness, running: Running, counted: Counted
) -> None:
    harness.owner.hangs_on.add(await harness.send())
    async with running(harness.consumer()):
        await wait_until(lambda: counted(TOPIC.name, "failed") == 1, timeout=60)
        assert await harness.list_dead_letters() == []
        await wait_until(harness.empty, timeout=600)
    [dead_letter] = await harness.list_dead_letters()
    assert (dead_letter[b"dlq_kind"], dead_letter[b"dlq_error"]) == (b"transient", b"TimeoutError")
    assert len(harness.owner.calls) == 5


async def test_what_comes_after_a_hanging_message_is_handled(
    harness: BatchHarness, running: Running
) -> None:
    jobs = [await harness.send() for _ in range(4)]
    harness.owner.hangs_on.add(jobs[1])
    async with running(harness.consumer()):
        await wait_until(lambda: len(harness.owner.handled) == 3, timeout=600)
        jobs.append(await harness.send())
        await wait_until(lambda: len(harness.owner.handled) == 4, timeout=600)
    assert harness.owner.handled == [jobs[0], *jobs[2:]]


async def test_what_was_delivered_too_often_by_crashes_is_not_tried_again(
    harness: BatchHarness,
) -> None:
    await harness.send()
    await harness.broker.ensure_group(PEER)
    await harness.broker.read(PEER, 1, 0)
    for _ in range(4):
        await harness.broker.reclaim(PEER, 0, 1)
    await asyncio.sleep(11)
    await harness.consumer().step()
    [dead_letter] = await harness.list_dead_letters()
    assert (dead_letter[b"dlq_kind"], dead_letter[b"dlq_deliveries"]) == (b"transient", b"6")
    assert harness.owner.calls == []


async def test_a_dead_letter_contains_all_fields_of_the_message(harness: BatchHarness) -> None:
    await harness.send()
    await harness.broker.ensure_group(PEER)
    [raw] = await harness.broker.read(PEER, 1, 0)
    for _ in range(5):
        await harness.broker.reclaim(PEER, 0, 1)
    await asyncio.sleep(11)
    await harness.consumer().step()
    [dead_letter] = await harness.list_dead_letters()
    assert raw.fields.items() <= dead_letter.items()


async def test_a_command_whose_sender_waits_no_more_is_dropped_unexecuted(
    harness: BatchHarness, counted: Counted
) -> None:
    late, timely = await harness.send(ttl_ms=1000), await harness.send(ttl_ms=5000)
    endless = await harness.send()
    await asyncio.sleep(2)
    await harness.consumer().step()
    assert harness.owner.calls == [[timely, endless]]
    assert late not in harness.owner.handled
    assert counted(TOPIC.name, "expired") == 1
    assert await harness.empty()
    assert await harness.list_dead_letters() == []


async def test_a_batch_of_expired_commands_does_not_call_the_handler(harness: BatchHarness) -> None:
    for _ in range(3):
        await harness.send(ttl_ms=1)
    await asyncio.sleep(1)
    await harness.consumer().step()
    assert (harness.owner.calls, await harness.empty()) == ([], True)


async def test_an_expired_command_that_may_have_been_executed_is_passed_to_the_handler(
    harness: BatchHarness,
) -> None:
    command = await harness.send(ttl_ms=1000)
    await harness.broker.ensure_group(PEER)
    await harness.broker.read(PEER, 1, 0)
    await asyncio.sleep(11)
    await harness.consumer().step()
    assert harness.owner.handled == [command]


async def test_the_leases_of_pending_entries_are_extended_while_their_handler_runs(
    harness: BatchHarness, running: Running
) -> None:
    jobs = [await harness.send() for _ in range(3)]
    harness.owner.seconds = 25
    async with running(harness.consumer()):
        await asyncio.sleep(1)
        for _ in range(23):
            await asyncio.sleep(1)
            assert await harness.broker.reclaim(PEER, 10, 10) == []
        await wait_until(harness.empty)
    assert harness.owner.calls == [jobs]


async def test_no_lease_is_extended_after_its_runner_has_ended(harness: BatchHarness) -> None:
    await harness.send()
    harness.owner.seconds = 25
    task = asyncio.create_task(harness.consumer().run())
    await asyncio.sleep(5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(11)
    assert len(await harness.broker.reclaim(PEER, 10, 10)) == 1


async def test_a_batch_takes_no_more_than_its_count(harness: BatchHarness) -> None:
    jobs = [await harness.send() for _ in range(5)]
    runner = harness.consumer(max_size=2)
    for _ in range(3):
        await runner.step()
    assert harness.owner.calls == [jobs[:2], jobs[2:4], jobs[4:]]


async def test_a_call_takes_no_more_than_the_weight_that_its_handler_declares(
    harness: BatchHarness,
) -> None:
    jobs = [await harness.send() for _ in range(6)]
    weights = dict(zip(jobs, (4, 4, 4, 30, 1, 9), strict=True))

    def weigh(delivery: Delivery) -> int:
        return weights[delivery.message.job_id] if isinstance(delivery.message, SubmitJob) else 0

    runner = harness.consumer(max_size=10, weigh=weigh)
    while not await harness.empty():
        await runner.step()
    assert harness.owner.calls == [jobs[:2], jobs[2:3], jobs[3:4], jobs[4:]]


async def test_a_failing_dependency_holds_the_batch_and_counts_as_no_delivery(
    harness: BatchHarness, running: Running
) -> None:
    job_id = await harness.send()
    harness.owner.fails_on[job_id] = DependencyUnavailable(target="postgres")
    async with running(harness.consumer()):
        await asyncio.sleep(120)
        assert await harness.broker.reclaim(PEER, 10, 10) == []
        harness.owner.fails_on.clear()
        await wait_until(harness.empty)
    assert (harness.owner.handled, await harness.list_dead_letters()) == ([job_id], [])


async def test_a_drain_without_a_dependency_releases_unhandled_entries(
    harness: BatchHarness, running: Running, counted: Counted
) -> None:
    for _ in range(3):
        harness.owner.fails_on[await harness.send()] = DependencyUnavailable(target="postgres")
    async with running(harness.consumer()):
        await asyncio.sleep(15)
    again = await harness.broker.reclaim(PEER, 9999, 10)
    assert [raw.delivery_count for raw in again] == [1, 1, 1]
    assert counted(TOPIC.name, "released") == 3


async def test_a_slow_server_gets_smaller_batches_and_no_entry_is_counted(
    harness: BatchHarness, running: Running
) -> None:
    jobs = [await harness.send() for _ in range(200)]
    harness.owner.can_handle = 0
    async with running(harness.consumer()):
        await asyncio.sleep(300)
        sizes = [len(call) for call in harness.owner.calls]
        assert sizes[:9] == [200, 100, 50, 25, 12, 6, 3, 1, 1]
        assert set(sizes[9:]) == {1}
        assert len(sizes) <= 60
        assert await harness.broker.reclaim(PEER, 10, 300) == []
        harness.owner.can_handle = 30
        await wait_until(harness.empty, timeout=600)
    assert sorted(harness.owner.handled) == sorted(jobs)
    assert await harness.list_dead_letters() == []


async def test_an_entry_that_is_too_slow_where_others_are_not_is_a_dead_letter_at_last(
    harness: BatchHarness, running: Running, counted: Counted
) -> None:
    jobs = [await harness.send() for _ in range(4)]
    harness.owner.fails_on[jobs[1]] = CommandTimeout(target="postgres")

    async def send_another() -> bool:
        jobs.append(await harness.send())
        await asyncio.sleep(1)
        return bool(await harness.list_dead_letters())

    async with running(harness.consumer()):
        await wait_until(send_another, timeout=3_000)
        await wait_until(harness.empty, timeout=600)
    assert set(harness.owner.handled) == {*jobs} - {jobs[1]}
    [dead_letter] = await harness.list_dead_letters()
    assert (dead_letter[b"dlq_kind"], dead_letter[b"dlq_deliveries"]) == (b"transient", b"5")
    assert counted(TOPIC.name, "failed") == 4


async def test_an_entry_whose_rows_are_locked_waits_at_no_cost_while_others_are_handled(
    harness: BatchHarness, running: Running, counted: Counted
) -> None:
    jobs = [await harness.send() for _ in range(20)]
    harness.owner.fails_on[jobs[7]] = RowsLocked()
    async with running(harness.consumer()):
        await wait_until(lambda: len(harness.owner.handled) == 19, timeout=600)
        jobs.append(await harness.send())
        await wait_until(lambda: len(harness.owner.handled) == 20, timeout=600)
        await asyncio.sleep(120)
        harness.owner.fails_on.clear()
        await wait_until(harness.empty, timeout=600)
    assert sorted(harness.owner.handled) == sorted(jobs)
    assert (counted(TOPIC.name, "failed"), await harness.list_dead_letters()) == (0, [])


async def test_a_handler_may_end_a_part_of_a_batch_while_its_dependency_is_away(
    harness: BatchHarness, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await harness.send()
    away = True

    async def handle(batch: Sequence[Delivery]) -> Sequence[OutgoingMessage]:
        if not away:
            return await Owner.handle(harness.owner, batch)
        repeatable = [d for d in batch if d.entry.ttl_ms is not None]
        raise BatchInterrupted(repeatable, []) from DependencyUnavailable(target="postgres")

    monkeypatch.setattr(harness.owner, "handle", handle)
    async with running(harness.consumer()):
        for _ in range(5):
            await harness.send(ttl_ms=3_600_000)
            await asyncio.sleep(10)
        assert await harness.broker.depth(COMMANDS) == 1
        away = False
        await wait_until(harness.empty, timeout=600)
    assert harness.owner.handled == [kept]
    assert await harness.list_dead_letters() == []
