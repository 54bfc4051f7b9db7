"""Commits share a round trip, and a failed commit does not affect the others."""

import asyncio
from collections.abc import Sequence

import pytest

from msaas.streams import BrokerUnavailable, CommitResult, EntryIdRefused, StreamConsumer, Write
from msaas.streams.group_commit import MAX_COMMIT_BYTES, MAX_COMMIT_SIZE, GroupCommit
from msaas.testing import FakeClock, MemoryBroker

KEY, OTHER, BAD = "stream", "other", "bad"
OURS, THEIRS = StreamConsumer(KEY, "group", "us"), StreamConsumer(OTHER, "group", "us")
REFUSED = BrokerUnavailable(target="redis", reply="NOPERM")
SILENT = BrokerUnavailable(target="redis")


class GatedBroker(MemoryBroker):
    """Lets commits through one by one while its gate is shut, and records each."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.commits: list[tuple[list[bytes], StreamConsumer | None, list[str]]] = []
        self.gate = asyncio.Semaphore(1000)
        self.fault: Exception | None = None

    def close_gate(self) -> None:
        self.gate = asyncio.Semaphore(0)

    async def commit(
        self,
        writes: Sequence[Write],
        consumer: StreamConsumer | None = None,
        acked_ids: Sequence[str] = (),
    ) -> CommitResult:
        self.commits.append(([write.fields[b"n"] for write in writes], consumer, list(acked_ids)))
        await self.gate.acquire()
        if self.fault and any(write.key == BAD for write in writes):
            raise self.fault
        return await super().commit(writes, consumer, acked_ids)


@pytest.fixture
def broker(fake_clock: FakeClock) -> GatedBroker:
    return GatedBroker(fake_clock)


@pytest.fixture
def group(broker: GatedBroker, fake_clock: FakeClock) -> GroupCommit:
    return GroupCommit(broker, fake_clock)


def write(n: int, key: str = KEY) -> Write:
    return Write(key, {b"n": b"%d" % n})


def start(group: GroupCommit, n: int, key: str = KEY) -> asyncio.Task[Sequence[str]]:
    return asyncio.create_task(group.commit([write(n, key)]))


async def turn() -> None:
    """Let all tasks run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def read(broker: GatedBroker, key: str = KEY) -> dict[str, bytes]:
    found = await broker.tail({key: "0-0"}, 10_000, 0)
    return {raw.entry_id: raw.fields[b"n"] for raw in found.get(key, [])}


async def test_concurrent_commits_share_one_exchange_and_get_their_own_ids(
    broker: GatedBroker, group: GroupCommit
) -> None:
    parts = [[write(n * 10 + number) for number in range(n)] for n in range(5)]
    answers = await asyncio.gather(*(group.commit(part) for part in parts))
    assert len(broker.commits) == 1
    there = await read(broker)
    for part, entry_ids in zip(parts, answers, strict=True):
        assert [there[id_] for id_ in entry_ids] == [write.fields[b"n"] for write in part]


async def test_commits_during_a_round_trip_share_the_next_one(
    broker: GatedBroker, group: GroupCommit
) -> None:
    broker.close_gate()
    first = start(group, 0)
    await turn()
    later = [start(group, n) for n in range(1, 4)]
    await turn()
    assert (len(broker.commits), group.backlog) == (1, 3)
    broker.gate.release()
    await first
    broker.gate.release()
    await asyncio.gather(*later)
    assert [numbers for numbers, *_ in broker.commits] == [[b"0"], [b"1", b"2", b"3"]]


async def test_a_refused_part_fails_alone(broker: GatedBroker, group: GroupCommit) -> None:
    broker.fault = REFUSED
    tasks = [start(group, n, BAD if n == 1 else KEY) for n in range(4)]
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers[1] is REFUSED
    there = await read(broker)
    kept = [a for n, a in enumerate(answers) if n != 1 and not isinstance(a, BaseException)]
    assert [there[entry_id] for [entry_id] in kept] == [b"0", b"2", b"3"]
    assert sorted(there.values()) == [b"0", b"2", b"3"]


async def test_a_broker_that_fell_silent_fails_all_and_is_not_written_to_twice(
    broker: GatedBroker, group: GroupCommit
) -> None:
    broker.fault = SILENT
    tasks = [start(group, n, BAD if n == 1 else KEY) for n in range(4)]
    assert await asyncio.gather(*tasks, return_exceptions=True) == [SILENT] * 4
    assert len(broker.commits) == 1
    broker.fault = None
    assert len(await group.commit([write(9)])) == 1


async def test_an_unexpected_error_leaves_no_caller_waiting(
    broker: GatedBroker, group: GroupCommit
) -> None:
    broker.fault = ZeroDivisionError("a bug")
    tasks = [start(group, n, BAD) for n in range(3)]
    assert await asyncio.gather(*tasks, return_exceptions=True) == [broker.fault] * 3


@pytest.mark.parametrize("state", ["waiting", "under way"])
async def test_a_cancelled_caller_does_not_affect_the_results_of_others(
    broker: GatedBroker, group: GroupCommit, state: str
) -> None:
    broker.close_gate()
    tasks = [start(group, 0)]
    await turn()
    tasks += [start(group, n) for n in (1, 2, 3)]
    await turn()
    if state == "under way":
        broker.gate.release()
        await turn()
    tasks[2].cancel()
    for _ in range(3):
        broker.gate.release()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    there = await read(broker)
    assert isinstance(answers[2], asyncio.CancelledError)
    answered = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert [there[entry_id] for [entry_id] in answered] == [b"0", b"1", b"3"]


async def test_a_crowd_is_split_in_order_into_commits_of_bounded_size(
    broker: GatedBroker, group: GroupCommit
) -> None:
    crowd = [start(group, n) for n in range(2 * MAX_COMMIT_SIZE)]
    await asyncio.gather(*crowd)
    sizes = [len(numbers) for numbers, *_ in broker.commits]
    assert max(sizes) <= MAX_COMMIT_SIZE
    assert sum(sizes) == 2 * MAX_COMMIT_SIZE
    written = [n for numbers, *_ in broker.commits for n in numbers]
    assert written == [b"%d" % n for n in range(2 * MAX_COMMIT_SIZE)]


async def test_commits_of_many_bytes_are_split_into_several(
    broker: GatedBroker, group: GroupCommit
) -> None:
    data = b"x" * (MAX_COMMIT_BYTES // 4)
    large = [Write(KEY, {b"n": b"%d" % n, b"data": data}) for n in range(10)]
    await asyncio.gather(*(group.commit([each]) for each in large))
    assert [len(numbers) for numbers, *_ in broker.commits] == [4, 4, 2]


async def test_a_commit_larger_than_the_limit_is_not_split(
    broker: GatedBroker, group: GroupCommit
) -> None:
    large = group.commit([write(n) for n in range(MAX_COMMIT_SIZE + 100)])
    answers = await asyncio.gather(large, group.commit([write(1)]))
    assert [len(answer) for answer in answers] == [MAX_COMMIT_SIZE + 100, 1]
    assert [len(numbers) for numbers, *_ in broker.commits] == [MAX_COMMIT_SIZE + 100, 1]


async def test_what_two_sources_acknowledge_is_never_mixed(
    broker: GatedBroker, group: GroupCommit
) -> None:
    await asyncio.gather(
        group.commit([write(0)]),
        group.commit([write(1)], OURS, ["1-1"]),
        group.commit([], OURS, ["1-2"]),
        group.commit([write(2)], THEIRS, ["2-1"]),
        group.commit([write(3)]),
        group.commit([write(4)], OURS, ["1-3"]),
    )
    assert broker.commits == [
        ([b"0", b"1"], OURS, ["1-1", "1-2"]),
        ([b"2", b"3"], THEIRS, ["2-1"]),
        ([b"4"], OURS, ["1-3"]),
    ]


async def test_closing_waits_for_what_is_under_way(broker: GatedBroker, group: GroupCommit) -> None:
    broker.close_gate()
    task = start(group, 1)
    await turn()
    closing = asyncio.create_task(group.close())
    await turn()
    assert not closing.done()
    broker.gate.release()
    await closing
    await turn()
    assert task.done()
    await group.close()


async def test_a_cancelled_flush_leaves_no_caller_waiting(
    broker: GatedBroker, group: GroupCommit
) -> None:
    broker.fault = REFUSED
    broker.close_gate()
    tasks = [start(group, n, BAD) for n in range(3)]
    await turn()
    broker.gate.release()  # all are refused together, so each is retried alone
    await turn()
    [flushing] = [task for task in asyncio.all_tasks() if task.get_name() == "group-commit"]
    tasks.append(start(group, 4))
    await turn()
    flushing.cancel()
    await turn()
    assert all(task.done() for task in tasks)
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(answer, BaseException) for answer in answers)


async def test_a_close_that_is_cancelled_ends_no_commit(
    broker: GatedBroker, group: GroupCommit
) -> None:
    broker.close_gate()
    task = start(group, 1)
    await turn()
    closing = asyncio.create_task(group.close())
    await turn()
    closing.cancel()
    await turn()
    broker.gate.release()
    assert len(await task) == 1


async def test_a_refused_id_fails_its_own_commit_and_no_other(
    broker: GatedBroker, group: GroupCommit
) -> None:
    await group.commit([write(0)._replace(entry_id="9999999999999-1")])
    early = asyncio.create_task(group.commit([write(1)._replace(entry_id="9999999999998-1")]))
    late = start(group, 2)
    with pytest.raises(EntryIdRefused):
        await early
    [entry_id] = await late
    assert list((await read(broker)).values()) == [b"0", b"2"]
    assert entry_id in await read(broker)
