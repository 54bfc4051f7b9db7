"""Commits that share a round trip, and none of which pays for another's fault."""

import asyncio
from collections.abc import Sequence

import pytest

from msaas.streams import Committed, Source, WireUnavailable, Write
from msaas.streams.group_commit import MOST_PER_COMMIT, GroupCommit
from msaas.testing import FakeClock, MemoryWire

KEY, OTHER, BAD = "stream", "other", "bad"
OURS, THEIRS = Source(KEY, "group", "us"), Source(OTHER, "group", "us")
REFUSED = WireUnavailable(target="redis", reply="NOPERM")
SILENT = WireUnavailable(target="redis")


class GatedWire(MemoryWire):
    """Lets commits through one by one once its gate is shut, and notes what each held."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.commits: list[tuple[list[bytes], Source | None, list[str]]] = []
        self.gate = asyncio.Semaphore(1000)
        self.fault: Exception | None = None

    def shut(self) -> None:
        self.gate = asyncio.Semaphore(0)

    async def commit(
        self, writes: Sequence[Write], source: Source | None = None, done: Sequence[str] = ()
    ) -> Committed:
        self.commits.append(([write.fields[b"n"] for write in writes], source, list(done)))
        await self.gate.acquire()
        if self.fault and any(write.key == BAD for write in writes):
            raise self.fault
        return await super().commit(writes, source, done)


@pytest.fixture
def wire(fake_clock: FakeClock) -> GatedWire:
    return GatedWire(fake_clock)


@pytest.fixture
def group(wire: GatedWire, fake_clock: FakeClock) -> GroupCommit:
    return GroupCommit(wire, fake_clock)


def write(n: int, key: str = KEY) -> Write:
    return Write(key, {b"n": b"%d" % n})


def start(group: GroupCommit, n: int, key: str = KEY) -> asyncio.Task[Sequence[str]]:
    return asyncio.create_task(group.commit([write(n, key)]))


async def turn() -> None:
    """Let all that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def read(wire: GatedWire, key: str = KEY) -> dict[str, bytes]:
    found = await wire.tail({key: "0-0"}, 10_000, 0)
    return {raw.entry_id: raw.fields[b"n"] for raw in found.get(key, [])}


async def test_who_commits_at_once_shares_one_commit_and_gets_its_own_ids(
    wire: GatedWire, group: GroupCommit
) -> None:
    parts = [[write(n * 10 + place) for place in range(n)] for n in range(5)]
    answers = await asyncio.gather(*(group.commit(part) for part in parts))
    assert len(wire.commits) == 1
    there = await read(wire)
    for part, entry_ids in zip(parts, answers, strict=True):
        assert [there[one] for one in entry_ids] == [one.fields[b"n"] for one in part]


async def test_who_comes_during_a_round_trip_shares_the_next(
    wire: GatedWire, group: GroupCommit
) -> None:
    wire.shut()
    first = start(group, 0)
    await turn()
    later = [start(group, n) for n in range(1, 4)]
    await turn()
    assert (len(wire.commits), group.backlog) == (1, 3)
    wire.gate.release()
    await first
    wire.gate.release()
    await asyncio.gather(*later)
    assert [numbers for numbers, *_ in wire.commits] == [[b"0"], [b"1", b"2", b"3"]]


async def test_a_refused_part_fails_alone(wire: GatedWire, group: GroupCommit) -> None:
    wire.fault = REFUSED
    tasks = [start(group, n, BAD if n == 1 else KEY) for n in range(4)]
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers[1] is REFUSED
    there = await read(wire)
    kept = [one for n, one in enumerate(answers) if n != 1 and not isinstance(one, BaseException)]
    assert [there[entry_id] for [entry_id] in kept] == [b"0", b"2", b"3"]
    assert sorted(there.values()) == [b"0", b"2", b"3"]


async def test_a_wire_that_fell_silent_fails_all_and_is_not_written_to_twice(
    wire: GatedWire, group: GroupCommit
) -> None:
    wire.fault = SILENT
    tasks = [start(group, n, BAD if n == 1 else KEY) for n in range(4)]
    assert await asyncio.gather(*tasks, return_exceptions=True) == [SILENT] * 4
    assert len(wire.commits) == 1
    wire.fault = None
    assert len(await group.commit([write(9)])) == 1


async def test_an_error_of_no_known_kind_leaves_nobody_waiting(
    wire: GatedWire, group: GroupCommit
) -> None:
    wire.fault = ZeroDivisionError("a bug")
    tasks = [start(group, n, BAD) for n in range(3)]
    assert await asyncio.gather(*tasks, return_exceptions=True) == [wire.fault] * 3


@pytest.mark.parametrize("state", ["waiting", "under way"])
async def test_a_caller_that_is_cancelled_takes_no_others_answer_away(
    wire: GatedWire, group: GroupCommit, state: str
) -> None:
    wire.shut()
    tasks = [start(group, 0)]
    await turn()
    tasks += [start(group, n) for n in (1, 2, 3)]
    await turn()
    if state == "under way":
        wire.gate.release()
        await turn()
    tasks[2].cancel()
    for _ in range(3):
        wire.gate.release()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    there = await read(wire)
    assert isinstance(answers[2], asyncio.CancelledError)
    heard = [one for one in answers if not isinstance(one, BaseException)]
    assert [there[entry_id] for [entry_id] in heard] == [b"0", b"1", b"3"]


async def test_a_crowd_is_split_in_order_into_commits_of_bounded_size(
    wire: GatedWire, group: GroupCommit
) -> None:
    crowd = [start(group, n) for n in range(2 * MOST_PER_COMMIT)]
    await asyncio.gather(*crowd)
    sizes = [len(numbers) for numbers, *_ in wire.commits]
    assert max(sizes) <= MOST_PER_COMMIT
    assert sum(sizes) == 2 * MOST_PER_COMMIT
    written = [n for numbers, *_ in wire.commits for n in numbers]
    assert written == [b"%d" % n for n in range(2 * MOST_PER_COMMIT)]


async def test_a_part_larger_than_a_commit_stays_whole(wire: GatedWire, group: GroupCommit) -> None:
    large = group.commit([write(n) for n in range(MOST_PER_COMMIT + 100)])
    answers = await asyncio.gather(large, group.commit([write(1)]))
    assert [len(one) for one in answers] == [MOST_PER_COMMIT + 100, 1]
    assert [len(numbers) for numbers, *_ in wire.commits] == [MOST_PER_COMMIT + 100, 1]


async def test_what_two_sources_acknowledge_is_never_mixed(
    wire: GatedWire, group: GroupCommit
) -> None:
    await asyncio.gather(
        group.commit([write(0)]),
        group.commit([write(1)], OURS, ["1-1"]),
        group.commit([], OURS, ["1-2"]),
        group.commit([write(2)], THEIRS, ["2-1"]),
        group.commit([write(3)]),
        group.commit([write(4)], OURS, ["1-3"]),
    )
    assert wire.commits == [
        ([b"0", b"1"], OURS, ["1-1", "1-2"]),
        ([b"2", b"3"], THEIRS, ["2-1"]),
        ([b"4"], OURS, ["1-3"]),
    ]


async def test_closing_waits_for_what_is_under_way(wire: GatedWire, group: GroupCommit) -> None:
    wire.shut()
    task = start(group, 1)
    await turn()
    closing = asyncio.create_task(group.close())
    await turn()
    assert not closing.done()
    wire.gate.release()
    await closing
    await turn()
    assert task.done()
    await group.close()


async def test_a_flush_that_is_ended_leaves_nobody_waiting(
    wire: GatedWire, group: GroupCommit
) -> None:
    wire.fault = REFUSED
    wire.shut()
    tasks = [start(group, n, BAD) for n in range(3)]
    await turn()
    wire.gate.release()  # all are refused together, so each is tried alone
    await turn()
    [flushing] = [task for task in asyncio.all_tasks() if task.get_name() == "group-commit"]
    tasks.append(start(group, 4))
    await turn()
    flushing.cancel()
    await turn()
    assert all(task.done() for task in tasks)
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, BaseException) for one in answers)


async def test_a_close_that_is_cancelled_ends_no_commit(
    wire: GatedWire, group: GroupCommit
) -> None:
    wire.shut()
    task = start(group, 1)
    await turn()
    closing = asyncio.create_task(group.close())
    await turn()
    closing.cancel()
    await turn()
    wire.gate.release()
    assert len(await task) == 1
