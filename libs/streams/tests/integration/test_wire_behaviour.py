"""What a wire does, told once: the same tests hold Redis and its stand-in in memory to it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
import redis.asyncio

from msaas.kernel import SystemClock
from msaas.messaging import RedisWire
from msaas.streams import GroupMissing, RawEntry, Source, Wire, Write
from msaas.testing import MemoryWire, wait_until

# Entries that were read and left alone are what many of these tests are about.
pytestmark = pytest.mark.leaves("pending")

HOUR = 3600.0
MOMENT = 0.005
# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.asyncio.Redis


@dataclass(frozen=True)
class Place:
    """One stream of a wire, with two consumers of one group."""

    wire: Wire
    key: str
    flush: Callable[[], Awaitable[None]]

    @property
    def ours(self) -> Source:
        return Source(self.key, "group", "us")

    @property
    def theirs(self) -> Source:
        return Source(self.key, "group", "them")

    async def write(self, *bodies: str) -> list[str]:
        writes = [Write(self.key, {b"body": body.encode()}) for body in bodies]
        return list((await self.wire.commit(writes)).entry_ids)

    async def take(self, count: int = 10) -> list[RawEntry]:
        return await self.wire.read(self.ours, count, 0)

    async def reclaim(self, min_idle: float = 0) -> list[RawEntry]:
        """Take over for the other consumer what has been idle for a moment at least."""
        return await self.wire.reclaim(self.theirs, min_idle or MOMENT, 10)

    async def everything(self) -> list[RawEntry]:
        return (await self.wire.tail({self.key: "0-0"}, 1000, 0)).get(self.key, [])


@pytest_asyncio.fixture(params=["memory", "redis"])
async def place(
    request: pytest.FixtureRequest, redis_url: str, environment: str
) -> AsyncIterator[Place]:
    key = f"msaas:{environment}:stream:place.v1"
    if request.param == "memory":
        memory = MemoryWire(SystemClock())

        async def forget() -> None:
            memory.flush()

        yield Place(memory, key, forget)
        return
    wire = RedisWire(redis_url)
    async with _Redis.from_url(redis_url) as client:

        async def delete() -> None:
            async for found in client.scan_iter(match=f"msaas:{environment}:*"):
                await client.delete(found)

        yield Place(wire, key, delete)
    await wire.close()


def bodies(entries: list[RawEntry]) -> list[bytes]:
    return [entry.fields[b"body"] for entry in entries]


async def test_a_group_begins_with_the_first_entry_there_is(place: Place) -> None:
    await place.write("early")
    await place.wire.ensure_group(place.ours)
    await place.write("late")
    assert bodies(await place.take()) == [b"early", b"late"]


async def test_making_a_group_again_changes_nothing(place: Place) -> None:
    await place.wire.ensure_group(place.ours)
    await place.write("one")
    assert len(await place.take()) == 1
    await place.wire.ensure_group(place.theirs)
    assert await place.take() == []


async def test_each_entry_is_read_by_one_consumer_and_no_more_than_asked_for(place: Place) -> None:
    await place.wire.ensure_group(place.ours)
    written = await place.write("one", "two", "three")
    mine = await place.take(count=2)
    others = await place.wire.read(place.theirs, 10, 0)
    assert [entry.entry_id for entry in [*mine, *others]] == written
    assert [entry.deliveries for entry in [*mine, *others]] == [1, 1, 1]
    assert bodies(others) == [b"three"]


async def test_a_blocked_read_ends_empty_handed_when_its_time_is_over(place: Place) -> None:
    await place.wire.ensure_group(place.ours)
    assert await place.wire.read(place.ours, 10, block=0.01) == []


async def test_nobody_takes_over_an_entry_that_was_in_hand_a_moment_ago(place: Place) -> None:
    await place.wire.ensure_group(place.ours)
    await place.write("busy")
    await place.take()
    assert await place.reclaim(min_idle=HOUR) == []


async def test_taking_over_counts_as_another_delivery(place: Place) -> None:
    await place.wire.ensure_group(place.ours)
    await place.write("slow")
    await place.take()
    [second] = await wait_until(place.reclaim)
    [third] = await wait_until(place.reclaim)
    assert (second.deliveries, third.deliveries) == (2, 3)
    assert bodies([third]) == [b"slow"]


async def test_taking_over_passes_by_what_is_to_be_skipped(place: Place) -> None:
    await place.wire.ensure_group(place.ours)
    first, second = await place.write("skipped", "wanted")
    await place.take()

    async def reclaim() -> list[RawEntry]:
        return await place.wire.reclaim(place.theirs, MOMENT, 10, frozenset({first}))

    assert [entry.entry_id for entry in await wait_until(reclaim)] == [second]


async def test_taking_over_takes_no_more_than_asked_for(place: Place) -> None:
    await place.wire.ensure_group(place.ours)
    written = await place.write("one", "two", "three", "four")
    await place.take()
    await place.wire.hand_back(place.ours, [RawEntry(one, {}) for one in written])
    found = await place.wire.reclaim(place.theirs, HOUR, 2, frozenset({"1-1", "1-2"}))
    assert [entry.entry_id for entry in found] == written[:2]


async def test_what_was_deleted_in_hand_is_not_taken_over(place: Place) -> None:
    await place.wire.ensure_group(place.ours)
    gone, kept = await place.write("gone", "kept")
    await place.take()
    await place.wire.hand_back(place.ours, [RawEntry(one, {}) for one in (gone, kept)])
    await place.wire.commit([], replace(place.ours, group="another"), [gone])
    assert bodies(await place.reclaim(min_idle=HOUR)) == [b"kept"]


async def test_holding_answers_only_what_is_still_ours(place: Place) -> None:
    await place.wire.ensure_group(place.ours)
    first, second = await place.write("one", "two")
    await place.take()
    await place.wire.hand_back(place.ours, [RawEntry(first, {})])
    assert len(await place.reclaim(min_idle=HOUR)) == 1
    held = await place.wire.hold(place.ours, [first, second, "1-1"], beat=HOUR)
    assert held == {second}


async def test_holding_keeps_an_entry_from_being_taken_over(place: Place) -> None:
    await place.wire.ensure_group(place.ours)
    [entry_id] = await place.write("held")
    [entry] = await place.take()
    await place.wire.hand_back(place.ours, [entry])
    assert await place.wire.hold(place.ours, [entry_id], beat=2 * MOMENT) == {entry_id}
    assert await place.reclaim(min_idle=HOUR) == []


async def test_an_entry_that_was_deleted_in_hand_is_ours_for_one_more_beat_and_then_gone(
    place: Place,
) -> None:
    await place.wire.ensure_group(place.ours)
    [deleted, kept] = await place.write("deleted", "kept")
    await place.take()
    await place.wire.delete(place.key, [deleted])
    assert await place.wire.hold(place.ours, [deleted, kept], beat=HOUR) == {deleted, kept}
    assert await place.wire.hold(place.ours, [deleted, kept], beat=HOUR) == {kept}


async def test_holding_is_no_delivery(place: Place) -> None:
    await place.wire.ensure_group(place.ours)
    [entry_id] = await place.write("held")
    await place.take()
    await place.wire.hold(place.ours, [entry_id], beat=0)
    [entry] = await wait_until(place.reclaim)
    assert entry.deliveries == 2


async def test_nothing_is_ours_any_more_after_a_flush(place: Place) -> None:
    await place.wire.ensure_group(place.ours)
    [entry_id] = await place.write("flushed")
    await place.take()
    await place.flush()
    assert await place.wire.hold(place.ours, [entry_id], beat=1) == frozenset()


async def test_what_is_handed_back_is_free_at_once_and_its_delivery_refunded(place: Place) -> None:
    await place.wire.ensure_group(place.ours)
    await place.write("handed back")
    for _ in range(3):
        entries = await place.take() or await place.reclaim(min_idle=HOUR)
        assert [entry.deliveries for entry in entries] == [1]
        await place.wire.hand_back(place.ours, entries)


async def test_a_commit_appends_acknowledges_deletes_and_reports_depths(place: Place) -> None:
    await place.wire.ensure_group(place.ours)
    [done] = await place.write("done")
    await place.take()
    output = f"{place.key}.output"
    committed = await place.wire.commit(
        [
            Write(output, {b"body": b"first"}, bounded=True),
            Write(f"{place.key}.other", {b"body": b"unbounded"}),
            Write(output, {b"body": b"second"}, bounded=True),
        ],
        place.ours,
        [done],
    )
    assert committed.depths == {output: 2}
    entries = (await place.wire.tail({output: "0-0"}, 10, 0))[output]
    assert [entry.entry_id for entry in entries] == [
        committed.entry_ids[0],
        committed.entry_ids[2],
    ]
    stats = await place.wire.stats(place.key, "group")
    assert (stats.depth, stats.pending) == (0, 0)


async def test_a_commit_of_nothing_is_nothing(place: Place) -> None:
    committed = await place.wire.commit([])
    assert (list(committed.entry_ids), dict(committed.depths)) == ([], {})


async def test_entry_ids_grow(place: Place) -> None:
    ids = [tuple(map(int, one.split("-"))) for one in await place.write(*map(str, range(20)))]
    assert ids == sorted(set(ids))


async def test_a_window_trims_what_is_older(place: Place) -> None:
    # Redis trims whole nodes of a hundred entries.
    first, *_ = await place.write(*map(str, range(250)))
    narrow = Write(place.key, {b"body": b"newest"}, window=timedelta(milliseconds=5))

    async def trimmed() -> bool:
        await place.wire.commit([narrow])
        return (await place.everything())[0].entry_id != first

    assert await wait_until(trimmed)
    assert bodies(await place.everything())[-1] == b"newest"


async def test_leaving_keeps_what_is_pending(place: Place) -> None:
    await place.wire.ensure_group(place.ours)
    await place.write("in hand")
    [entry] = await place.take()
    await place.wire.leave(place.ours)
    assert (await place.wire.stats(place.key, "group")).pending == 1
    await place.wire.hand_back(place.ours, [entry])
    assert bodies(await place.reclaim(min_idle=HOUR)) == [b"in hand"]


async def test_following_gives_what_comes_after_each_position(place: Place) -> None:
    first, second = await place.write("one", "two")
    other = f"{place.key}.other"
    await place.wire.commit([Write(other, {b"body": b"other"})])
    positions = {place.key: first, other: "0-0", f"{place.key}.absent": "0-0"}
    found = await place.wire.tail(positions, 10, 0)
    assert {key: bodies(entries) for key, entries in found.items()} == {
        place.key: [b"two"],
        other: [b"other"],
    }
    assert await place.wire.tail({place.key: second}, 10, block=0.01) == {}


async def test_the_last_id_is_where_following_begins(place: Place) -> None:
    assert await place.wire.last_id(place.key) == "0-0"
    _, second = await place.write("one", "two")
    assert await place.wire.last_id(place.key) == second


async def test_depth_counts_what_lies_on_a_stream(place: Place) -> None:
    assert await place.wire.depth(place.key) == 0
    await place.write("one", "two")
    assert await place.wire.depth(place.key) == 2


async def test_stats_tell_depth_lag_and_what_is_in_hand(place: Place) -> None:
    await place.wire.ensure_group(place.ours)
    await place.write("one", "two", "three")
    await place.take(count=1)
    stats = await place.wire.stats(place.key, "group")
    assert (stats.depth, stats.lag, stats.pending) == (3, 2, 1)
    assert 0 <= stats.oldest_pending_seconds < HOUR


async def test_nothing_in_hand_has_no_age(place: Place) -> None:
    await place.wire.ensure_group(place.ours)
    assert (await place.wire.stats(place.key, "group")).oldest_pending_seconds == 0


async def test_the_clock_of_the_wire_stamps_its_entries(place: Place) -> None:
    before = await place.wire.now_ms()
    [entry_id] = await place.write("stamped")
    assert before <= int(entry_id.partition("-")[0]) <= await place.wire.now_ms()


async def test_of_entries_asked_for_those_that_were_taken_off_are_not_found(place: Place) -> None:
    ids = await place.write("stays", "goes")
    await place.wire.delete(place.key, ids[1:])
    assert await place.wire.find(place.key, ids) == {ids[0]}
    await place.wire.delete(place.key, [])
    assert await place.wire.find(place.key, []) == frozenset()
    assert await place.wire.find(f"{place.key}.never", ids) == frozenset()


async def test_a_mark_is_there_until_its_time_is_over(place: Place) -> None:
    prefix = place.key.replace(":stream:place.v1", ":cancel:")
    await place.wire.mark([f"{prefix}1", f"{prefix}2"], timedelta(milliseconds=200))
    asked = [f"{prefix}{number}" for number in (1, 2, 3)]
    assert await place.wire.find_marked(asked) == set(asked[:2])

    async def over() -> bool:
        return not await place.wire.find_marked(asked)

    await wait_until(over)


async def test_the_epoch_stays_until_the_data_is_lost(place: Place) -> None:
    key = f"{place.key.partition(':stream')[0]}:epoch"
    first = await place.wire.epoch(key, "fresh-1")
    assert await place.wire.epoch(key, "fresh-2") == first
    await place.flush()
    assert await place.wire.epoch(key, "fresh-3") != first


@pytest.mark.parametrize("call", ["read", "reclaim", "hand_back", "leave", "stats"])
async def test_a_flushed_group_is_missing_until_it_is_made_again(place: Place, call: str) -> None:
    await place.wire.ensure_group(place.ours)
    await place.flush()
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "read": place.take,
        "reclaim": place.reclaim,
        "hand_back": lambda: place.wire.hand_back(place.ours, [RawEntry("1-1", {})]),
        "leave": lambda: place.wire.leave(place.ours),
        "stats": lambda: place.wire.stats(place.key, "group"),
    }
    with pytest.raises(GroupMissing):
        await calls[call]()
    await place.write("written before the group is back")
    await place.wire.ensure_group(place.ours)
    assert len(await place.take()) == 1


async def test_acknowledging_what_was_flushed_does_no_harm(place: Place) -> None:
    await place.wire.ensure_group(place.ours)
    [entry_id] = await place.write("flushed")
    await place.take()
    await place.flush()
    committed = await place.wire.commit(
        [Write(f"{place.key}.output", {b"body": b"result"})], place.ours, [entry_id]
    )
    assert len(committed.entry_ids) == 1


async def test_a_key_that_expires_is_gone_after_its_window(place: Place) -> None:
    key = place.key.replace(":stream:", ":reply:")
    short = Write(key, {b"body": b"reply"}, window=timedelta(seconds=1), expires=True)
    await place.wire.commit([short])
    assert await place.wire.depth(key) == 1

    async def gone() -> bool:
        return await place.wire.depth(key) == 0

    assert await wait_until(gone)


async def test_a_peek_shows_the_oldest_entries_and_takes_none(place: Place) -> None:
    assert await place.wire.peek(place.key, 2) == []
    first, second, _ = await place.write("one", "two", "three")
    assert [one.entry_id for one in await place.wire.peek(place.key, 2)] == [first, second]
    await place.wire.delete(place.key, [first])
    assert bodies(await place.wire.peek(place.key, 5)) == [b"two", b"three"]
