"""Micro-batches: who is tried again, who is given up, and what is never executed."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from uuid import UUID

import pytest

from msaas.contracts import SubmitJob, get_topic
from msaas.kernel import DependencyUnavailable
from msaas.messaging import BatchRunner, Delivery, Messenger, Outgoing
from msaas.messaging.loop import Loop
from msaas.streams import Source
from msaas.testing import MemoryWire, build_submit_job, wait_until

ENV = "test"
TOPIC = get_topic("jobs.commands")
COMMANDS = TOPIC.key(ENV, "jobs")
DEAD = TOPIC.dead_letter_key(ENV, "jobs")
PEER = Source(COMMANDS, "jobs", "jobs-peer")

Running = Callable[[Loop], AbstractAsyncContextManager[asyncio.Task[None]]]
Counted = Callable[[str, str], float]


class Owner:
    """Handles commands: hangs on some, raises on some, takes its time over all."""

    def __init__(self) -> None:
        self.calls: list[list[UUID]] = []
        self.handled: list[UUID] = []
        self.hangs_on: set[UUID] = set()
        self.fails_on: dict[UUID, Exception] = {}
        self.seconds = 0.0

    async def handle(self, batch: Sequence[Delivery]) -> Sequence[Outgoing]:
        jobs = [one.message.job_id for one in batch if isinstance(one.message, SubmitJob)]
        self.calls.append(jobs)
        await asyncio.sleep(self.seconds)
        if self.hangs_on & set(jobs):
            await asyncio.Event().wait()
        for job_id in jobs:
            if job_id in self.fails_on:
                raise self.fails_on[job_id]
        self.handled += jobs
        return []


class Desk:
    """A gateway that sends commands, and the owner's runner."""

    def __init__(self, wire: MemoryWire, stand: Callable[..., Messenger]) -> None:
        self.wire, self.owner = wire, Owner()
        self._gateway = stand(wire, "gateway", TOPIC.name).publisher
        self._station = stand(wire, "jobs").station

    def runner(self, count: int = 200) -> BatchRunner:
        return BatchRunner(self._station, TOPIC.name, self.owner.handle, count=count)

    async def send(self, ttl_ms: int | None = None) -> UUID:
        command = build_submit_job()
        outgoing = Outgoing(message=command, topic=TOPIC.name, correlation_id="c", ttl_ms=ttl_ms)
        await self._gateway.send(outgoing)
        return command.job_id

    async def empty(self) -> bool:
        return await self.wire.depth(COMMANDS) == 0

    async def dead(self) -> list[Mapping[bytes, bytes]]:
        found = await self.wire.tail({DEAD: "0-0"}, 100, 0)
        return [raw.fields for raw in found.get(DEAD, [])]


@pytest.fixture
def desk(wire: MemoryWire, stand: Callable[..., Messenger]) -> Desk:
    return Desk(wire, stand)


async def test_what_fails_five_deliveries_is_a_dead_letter_of_the_class_transient(
    desk: Desk, running: Running, counted: Counted
) -> None:
    bad, good = await desk.send(), await desk.send()
    desk.owner.fails_on[bad] = ValueError("a row of no use")
    async with running(desk.runner()):
        await wait_until(desk.empty, timeout=600)
    assert desk.owner.handled == [good]
    assert desk.owner.calls.count([bad]) == 5
    [letter] = await desk.dead()
    assert (letter[b"dlq_kind"], letter[b"dlq_deliveries"]) == (b"transient", b"5")
    assert letter[b"dlq_error"] == b"ValueError"
    outcomes = ("handled", "failed", "transient", "poison")
    assert [counted(TOPIC.name, one) for one in outcomes] == [1, 4, 1, 0]


async def test_a_handler_that_hangs_is_cut_off_and_counts_as_a_failure(
    desk: Desk, running: Running, counted: Counted
) -> None:
    desk.owner.hangs_on.add(await desk.send())
    async with running(desk.runner()):
        await wait_until(lambda: counted(TOPIC.name, "failed") == 1, timeout=60)
        assert await desk.dead() == []
        await wait_until(desk.empty, timeout=600)
    [letter] = await desk.dead()
    assert (letter[b"dlq_kind"], letter[b"dlq_error"]) == (b"transient", b"TimeoutError")
    assert len(desk.owner.calls) == 5


async def test_what_comes_after_a_hanging_message_is_handled(desk: Desk, running: Running) -> None:
    jobs = [await desk.send() for _ in range(4)]
    desk.owner.hangs_on.add(jobs[1])
    async with running(desk.runner()):
        await wait_until(lambda: len(desk.owner.handled) == 3, timeout=600)
        jobs.append(await desk.send())
        await wait_until(lambda: len(desk.owner.handled) == 4, timeout=600)
    assert desk.owner.handled == [jobs[0], *jobs[2:]]


async def test_what_was_delivered_too_often_by_crashes_is_not_tried_again(desk: Desk) -> None:
    await desk.send()
    await desk.wire.ensure_group(PEER)
    await desk.wire.read(PEER, 1, 0)
    for _ in range(4):
        await desk.wire.reclaim(PEER, 0, 1)
    await asyncio.sleep(11)
    await desk.runner().step()
    [letter] = await desk.dead()
    assert (letter[b"dlq_kind"], letter[b"dlq_deliveries"]) == (b"transient", b"6")
    assert desk.owner.calls == []


async def test_a_dead_letter_carries_all_that_the_message_said(desk: Desk) -> None:
    await desk.send()
    await desk.wire.ensure_group(PEER)
    [raw] = await desk.wire.read(PEER, 1, 0)
    for _ in range(5):
        await desk.wire.reclaim(PEER, 0, 1)
    await asyncio.sleep(11)
    await desk.runner().step()
    [letter] = await desk.dead()
    assert raw.fields.items() <= letter.items()


async def test_a_command_whose_sender_waits_no_more_is_dropped_unexecuted(
    desk: Desk, counted: Counted
) -> None:
    late, timely = await desk.send(ttl_ms=1000), await desk.send(ttl_ms=5000)
    endless = await desk.send()
    await asyncio.sleep(2)
    await desk.runner().step()
    assert desk.owner.calls == [[timely, endless]]
    assert late not in desk.owner.handled
    assert counted(TOPIC.name, "expired") == 1
    assert await desk.empty()
    assert await desk.dead() == []


async def test_a_batch_of_nothing_but_expired_commands_calls_nobody(desk: Desk) -> None:
    for _ in range(3):
        await desk.send(ttl_ms=1)
    await asyncio.sleep(1)
    await desk.runner().step()
    assert (desk.owner.calls, await desk.empty()) == ([], True)


async def test_an_expired_command_that_somebody_may_have_executed_is_the_handlers_to_judge(
    desk: Desk,
) -> None:
    command = await desk.send(ttl_ms=1000)
    await desk.wire.ensure_group(PEER)
    await desk.wire.read(PEER, 1, 0)
    await asyncio.sleep(11)
    await desk.runner().step()
    assert desk.owner.handled == [command]


async def test_entries_in_hand_are_held_for_as_long_as_their_handler_takes(
    desk: Desk, running: Running
) -> None:
    jobs = [await desk.send() for _ in range(3)]
    desk.owner.seconds = 25
    async with running(desk.runner()):
        await asyncio.sleep(1)
        for _ in range(23):
            await asyncio.sleep(1)
            assert await desk.wire.reclaim(PEER, 10, 10) == []
        await wait_until(desk.empty)
    assert desk.owner.calls == [jobs]


async def test_no_entry_is_beaten_once_its_runner_is_gone(desk: Desk) -> None:
    await desk.send()
    desk.owner.seconds = 25
    task = asyncio.create_task(desk.runner().run())
    await asyncio.sleep(5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(11)
    assert len(await desk.wire.reclaim(PEER, 10, 10)) == 1


async def test_a_batch_takes_no_more_than_its_count(desk: Desk) -> None:
    jobs = [await desk.send() for _ in range(5)]
    runner = desk.runner(count=2)
    for _ in range(3):
        await runner.step()
    assert desk.owner.calls == [jobs[:2], jobs[2:4], jobs[4:]]


async def test_a_failing_dependency_holds_the_batch_and_counts_as_no_delivery(
    desk: Desk, running: Running
) -> None:
    job_id = await desk.send()
    desk.owner.fails_on[job_id] = DependencyUnavailable(target="postgres")
    async with running(desk.runner()):
        await asyncio.sleep(120)
        assert await desk.wire.reclaim(PEER, 10, 10) == []
        desk.owner.fails_on.clear()
        await wait_until(desk.empty)
    assert (desk.owner.handled, await desk.dead()) == ([job_id], [])


async def test_a_drain_while_a_dependency_is_away_hands_back_what_was_not_handled(
    desk: Desk, running: Running, counted: Counted
) -> None:
    for _ in range(3):
        desk.owner.fails_on[await desk.send()] = DependencyUnavailable(target="postgres")
    async with running(desk.runner()):
        await asyncio.sleep(15)
    again = await desk.wire.reclaim(PEER, 9999, 10)
    assert [one.deliveries for one in again] == [1, 1, 1]
    assert counted(TOPIC.name, "handed_back") == 3
