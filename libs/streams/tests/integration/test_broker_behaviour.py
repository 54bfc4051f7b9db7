"""The behaviour of a broker: the same tests run against Redis and against the broker in memory."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
import redis.asyncio

from msaas.kernel import SystemClock
from msaas.messaging import RedisBroker
from msaas.streams import Broker, GroupMissing, RawEntry, StreamConsumer, Write
from msaas.testing import MemoryBroker, wait_until

# Many of these tests leave pending entries on purpose.
pytestmark = pytest.mark.leaves("pending")

HOUR = 3600.0
MOMENT = 0.005
# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.asyncio.Redis


@dataclass(frozen=True)
class BrokerStream:
    """One stream of a broker, with two consumers of one group."""

    broker: Broker
    key: str
    flush: Callable[[], Awaitable[None]]

    @property
    def first_consumer(self) -> StreamConsumer:
        return StreamConsumer(self.key, "group", "us")

    @property
    def second_consumer(self) -> StreamConsumer:
        return StreamConsumer(self.key, "group", "them")

    async def write(self, *bodies: str) -> list[str]:
        writes = [Write(self.key, {b"body": body.encode()}) for body in bodies]
        return list((await self.broker.commit(writes)).entry_ids)

    async def take(self, count: int = 10) -> list[RawEntry]:
        return await self.broker.read(self.first_consumer, count, 0)

    async def reclaim(self, min_idle: float = 0) -> list[RawEntry]:
        """Claim for the other consumer all entries that have been idle for a moment."""
        return await self.broker.reclaim(self.second_consumer, min_idle or MOMENT, 10)

    async def everything(self) -> list[RawEntry]:
        return (await self.broker.tail({self.key: "0-0"}, 1000, 0)).get(self.key, [])


@pytest_asyncio.fixture(params=["memory", "redis"])
async def stream(
    request: pytest.FixtureRequest, redis_url: str, environment: str
) -> AsyncIterator[BrokerStream]:
    key = f"msaas:{environment}:stream:test.v1"
    if request.param == "memory":
        memory = MemoryBroker(SystemClock())

        async def forget() -> None:
            memory.flush()

        yield BrokerStream(memory, key, forget)
        return
    broker = RedisBroker(redis_url)
    async with _Redis.from_url(redis_url) as client:

        async def delete() -> None:
            async for found in client.scan_iter(match=f"msaas:{environment}:*"):
                await client.delete(found)

        yield BrokerStream(broker, key, delete)
    await broker.close()


def bodies(entries: list[RawEntry]) -> list[bytes]:
    return [entry.fields[b"body"] for entry in entries]


async def test_a_group_begins_with_the_first_entry_there_is(stream: BrokerStream) -> None:
    await stream.write("early")
    await stream.broker.ensure_group(stream.first_consumer)
    await stream.write("late")
    assert bodies(await stream.take()) == [b"early", b"late"]


async def test_making_a_group_again_changes_nothing(stream: BrokerStream) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    await stream.write("one")
    assert len(await stream.take()) == 1
    await stream.broker.ensure_group(stream.second_consumer)
    assert await stream.take() == []


async def test_each_entry_is_read_by_one_consumer_and_no_more_than_markers_for(
    stream: BrokerStream,
) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    written = await stream.write("one", "two", "three")
    mine = await stream.take(count=2)
    others = await stream.broker.read(stream.second_consumer, 10, 0)
    assert [entry.entry_id for entry in [*mine, *others]] == written
    assert [entry.delivery_count for entry in [*mine, *others]] == [1, 1, 1]
    assert bodies(others) == [b"three"]


async def test_a_blocked_read_returns_nothing_at_its_timeout(stream: BrokerStream) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    assert await stream.broker.read(stream.first_consumer, 10, block=0.01) == []


async def test_a_recently_delivered_entry_is_not_claimed(
    stream: BrokerStream,
) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    await stream.write("busy")
    await stream.take()
    assert await stream.reclaim(min_idle=HOUR) == []


async def test_the_oldest_pending_entry_is_found_in_whose_hands_it_may_be(
    stream: BrokerStream,
) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    first, second, third = await stream.write("one", "two", "three")

    async def find(up_to: str, *skip: str) -> str | None:
        return await stream.broker.find_oldest_pending(
            stream.second_consumer, up_to, frozenset(skip)
        )

    assert await find(third) is None, "nothing is read yet"
    await stream.take(count=1)
    await stream.broker.read(stream.second_consumer, 1, 0)
    assert (await find(third), await find(third, first)) == (first, second)
    assert (await find(first, first), await find(third, first, second)) == (None, None)
    await stream.broker.commit([], stream.first_consumer, [first])
    assert await find(third) == second


async def test_taking_over_counts_as_another_delivery(stream: BrokerStream) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    await stream.write("slow")
    await stream.take()
    [second] = await wait_until(stream.reclaim)
    [third] = await wait_until(stream.reclaim)
    assert (second.delivery_count, third.delivery_count) == (2, 3)
    assert bodies([third]) == [b"slow"]


async def test_taking_over_passes_by_what_is_to_be_skipped(stream: BrokerStream) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    first, second = await stream.write("skipped", "wanted")
    await stream.take()

    async def reclaim() -> list[RawEntry]:
        return await stream.broker.reclaim(stream.second_consumer, MOMENT, 10, frozenset({first}))

    assert [entry.entry_id for entry in await wait_until(reclaim)] == [second]


async def test_taking_over_takes_no_more_than_markers_for(stream: BrokerStream) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    written = await stream.write("one", "two", "three", "four")
    await stream.take()
    await stream.broker.release(stream.first_consumer, [RawEntry(id_, {}) for id_ in written])
    found = await stream.broker.reclaim(stream.second_consumer, HOUR, 2, frozenset({"1-1", "1-2"}))
    assert [entry.entry_id for entry in found] == written[:2]


async def test_a_deleted_pending_entry_is_not_claimed(stream: BrokerStream) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    gone, kept = await stream.write("gone", "kept")
    await stream.take()
    await stream.broker.release(stream.first_consumer, [RawEntry(id_, {}) for id_ in (gone, kept)])
    await stream.broker.commit([], replace(stream.first_consumer, group="another"), [gone])
    assert bodies(await stream.reclaim(min_idle=HOUR)) == [b"kept"]


async def test_extending_returns_only_entries_that_are_still_owned(stream: BrokerStream) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    first, second = await stream.write("one", "two")
    await stream.take()
    await stream.broker.release(stream.first_consumer, [RawEntry(first, {})])
    assert len(await stream.reclaim(min_idle=HOUR)) == 1
    held = await stream.broker.extend_leases(
        stream.first_consumer, [first, second, "1-1"], heartbeat_interval=HOUR
    )
    assert held == {second}


async def test_extending_a_lease_prevents_a_claim(stream: BrokerStream) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    [entry_id] = await stream.write("held")
    [entry] = await stream.take()
    await stream.broker.release(stream.first_consumer, [entry])
    assert await stream.broker.extend_leases(
        stream.first_consumer, [entry_id], heartbeat_interval=2 * MOMENT
    ) == {entry_id}
    assert await stream.reclaim(min_idle=HOUR) == []


async def test_a_deleted_pending_entry_is_owned_for_one_more_heartbeat(
    stream: BrokerStream,
) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    [deleted, kept] = await stream.write("deleted", "kept")
    await stream.take()
    await stream.broker.delete(stream.key, [deleted])
    assert await stream.broker.extend_leases(
        stream.first_consumer, [deleted, kept], heartbeat_interval=HOUR
    ) == {deleted, kept}
    assert await stream.broker.extend_leases(
        stream.first_consumer, [deleted, kept], heartbeat_interval=HOUR
    ) == {kept}


async def test_holding_is_no_delivery(stream: BrokerStream) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    [entry_id] = await stream.write("held")
    await stream.take()
    await stream.broker.extend_leases(stream.first_consumer, [entry_id], heartbeat_interval=0)
    [entry] = await wait_until(stream.reclaim)
    assert entry.delivery_count == 2


async def test_no_entry_is_owned_after_a_flush(stream: BrokerStream) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    [entry_id] = await stream.write("flushed")
    await stream.take()
    await stream.flush()
    assert (
        await stream.broker.extend_leases(stream.first_consumer, [entry_id], heartbeat_interval=1)
        == frozenset()
    )


async def test_a_released_entry_is_claimable_at_once_and_its_delivery_is_not_counted(
    stream: BrokerStream,
) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    await stream.write("released")
    for _ in range(3):
        entries = await stream.take() or await stream.reclaim(min_idle=HOUR)
        assert [entry.delivery_count for entry in entries] == [1]
        await stream.broker.release(stream.first_consumer, entries)


async def test_a_commit_appends_acknowledges_deletes_and_reports_depths(
    stream: BrokerStream,
) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    [done] = await stream.write("done")
    await stream.take()
    output = f"{stream.key}.output"
    committed = await stream.broker.commit(
        [
            Write(output, {b"body": b"first"}, bounded=True),
            Write(f"{stream.key}.other", {b"body": b"unbounded"}),
            Write(output, {b"body": b"second"}, bounded=True),
        ],
        stream.first_consumer,
        [done],
    )
    assert committed.depths == {output: 2}
    entries = (await stream.broker.tail({output: "0-0"}, 10, 0))[output]
    assert [entry.entry_id for entry in entries] == [
        committed.entry_ids[0],
        committed.entry_ids[2],
    ]
    stats = await stream.broker.stats(stream.key, "group")
    assert (stats.depth, stats.pending) == (0, 0)


async def test_a_commit_of_nothing_is_nothing(stream: BrokerStream) -> None:
    committed = await stream.broker.commit([])
    assert (list(committed.entry_ids), dict(committed.depths)) == ([], {})


async def test_a_chosen_id_is_refused_after_a_later_one_and_its_neighbours_are_added(
    stream: BrokerStream,
) -> None:
    now_ms = await stream.broker.now_ms() + 3_600_000
    later, earlier = f"{now_ms}-{2**56 + 9}", f"{now_ms}-{2**56 + 8}"
    writes = [
        Write(stream.key, {b"body": name}, entry_id=id_)
        for name, id_ in (
            (b"first", later),
            (b"refused", earlier),
            (b"refused", later),
            (b"last", None),
        )
    ]
    committed = await stream.broker.commit(writes)
    assert list(committed.entry_ids[:3]) == [later, "", ""]
    assert bodies(await stream.everything()) == [b"first", b"last"]
    assert [entry.entry_id for entry in await stream.everything()] == [
        later,
        committed.entry_ids[3],
    ]


async def test_the_last_id_of_a_stream_outlives_its_entries(stream: BrokerStream) -> None:
    assert await stream.broker.last_generated_id(stream.key) == "0-0"
    *_, last = await stream.write("one", "two")
    await stream.broker.delete(stream.key, [last])
    assert await stream.broker.last_generated_id(stream.key) == last


async def test_entry_ids_grow(stream: BrokerStream) -> None:
    ids = [tuple(map(int, id_.split("-"))) for id_ in await stream.write(*map(str, range(20)))]
    assert ids == sorted(set(ids))


async def test_a_window_trims_what_is_older(stream: BrokerStream) -> None:
    # Redis trims whole nodes of a hundred entries.
    first, *_ = await stream.write(*map(str, range(250)))
    narrow = Write(stream.key, {b"body": b"newest"}, retention=timedelta(milliseconds=5))

    async def trimmed() -> bool:
        await stream.broker.commit([narrow])
        return (await stream.everything())[0].entry_id != first

    assert await wait_until(trimmed)
    assert bodies(await stream.everything())[-1] == b"newest"


async def test_leaving_a_group_keeps_pending_entries(stream: BrokerStream) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    await stream.write("in flight")
    [entry] = await stream.take()
    await stream.broker.remove_consumer(stream.first_consumer)
    assert (await stream.broker.stats(stream.key, "group")).pending == 1
    await stream.broker.release(stream.first_consumer, [entry])
    assert bodies(await stream.reclaim(min_idle=HOUR)) == [b"in flight"]


async def test_following_returns_the_entries_after_each_position(stream: BrokerStream) -> None:
    first, second = await stream.write("one", "two")
    other = f"{stream.key}.other"
    await stream.broker.commit([Write(other, {b"body": b"other"})])
    positions = {stream.key: first, other: "0-0", f"{stream.key}.absent": "0-0"}
    found = await stream.broker.tail(positions, 10, 0)
    assert {key: bodies(entries) for key, entries in found.items()} == {
        stream.key: [b"two"],
        other: [b"other"],
    }
    assert await stream.broker.tail({stream.key: second}, 10, block=0.01) == {}


async def test_the_last_id_is_where_following_begins(stream: BrokerStream) -> None:
    assert await stream.broker.last_id(stream.key) == "0-0"
    _, second = await stream.write("one", "two")
    assert await stream.broker.last_id(stream.key) == second


async def test_depth_counts_what_lies_on_a_stream(stream: BrokerStream) -> None:
    assert await stream.broker.depth(stream.key) == 0
    await stream.write("one", "two")
    assert await stream.broker.depth(stream.key) == 2


async def test_stats_report_depth_lag_and_pending_entries(stream: BrokerStream) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    await stream.write("one", "two", "three")
    await stream.take(count=1)
    stats = await stream.broker.stats(stream.key, "group")
    assert (stats.depth, stats.lag, stats.pending) == (3, 2, 1)
    assert 0 <= stats.oldest_pending_seconds < HOUR


async def test_without_pending_entries_there_is_no_age(stream: BrokerStream) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    assert (await stream.broker.stats(stream.key, "group")).oldest_pending_seconds == 0


async def test_the_clock_of_the_broker_stamps_its_entries(stream: BrokerStream) -> None:
    before = await stream.broker.now_ms()
    [entry_id] = await stream.write("stamped")
    assert before <= int(entry_id.partition("-")[0]) <= await stream.broker.now_ms()


async def test_of_entries_markers_for_those_that_were_taken_off_are_not_found(
    stream: BrokerStream,
) -> None:
    ids = await stream.write("stays", "goes")
    await stream.broker.delete(stream.key, ids[1:])
    assert await stream.broker.find(stream.key, ids) == {ids[0]}
    await stream.broker.delete(stream.key, [])
    assert await stream.broker.find(stream.key, []) == frozenset()
    assert await stream.broker.find(f"{stream.key}.never", ids) == frozenset()


async def test_a_marker_exists_until_it_expires(stream: BrokerStream) -> None:
    prefix = stream.key.replace(":stream:test.v1", ":cancel:")
    await stream.broker.set_markers([f"{prefix}1", f"{prefix}2"], timedelta(milliseconds=200))
    markers = [f"{prefix}{number}" for number in (1, 2, 3)]
    assert await stream.broker.find_markers(markers) == set(markers[:2])

    async def over() -> bool:
        return not await stream.broker.find_markers(markers)

    await wait_until(over)


async def test_a_claim_has_one_owner_until_its_time_is_over(stream: BrokerStream) -> None:
    key = stream.key.replace(":stream:test.v1", ":claim:1")
    claims = [
        await stream.broker.claim(key, owner, timedelta(hours=1))
        for owner in ("first", "second", "first")
    ]
    assert claims == [True, False, True]
    other = key.replace(":claim:1", ":claim:2")
    assert await stream.broker.claim(other, "first", timedelta(milliseconds=20))

    async def is_free() -> bool:
        return await stream.broker.claim(other, "second", timedelta(hours=1))

    await wait_until(is_free)


async def test_the_epoch_stays_until_the_data_is_lost(stream: BrokerStream) -> None:
    key = f"{stream.key.partition(':stream')[0]}:epoch"
    assert await stream.broker.epoch(key) is None
    first = await stream.broker.epoch(key, "fresh-1")
    assert first is not None
    assert await stream.broker.epoch(key, "fresh-2") == first
    assert await stream.broker.epoch(key) == first
    await stream.flush()
    assert await stream.broker.epoch(key) is None
    assert await stream.broker.epoch(key, "fresh-3") != first


@pytest.mark.parametrize("call", ["read", "reclaim", "hand_back", "leave", "stats", "oldest"])
async def test_a_flushed_group_is_missing_until_it_is_made_again(
    stream: BrokerStream, call: str
) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    await stream.flush()
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "read": stream.take,
        "reclaim": stream.reclaim,
        "hand_back": lambda: stream.broker.release(stream.first_consumer, [RawEntry("1-1", {})]),
        "leave": lambda: stream.broker.remove_consumer(stream.first_consumer),
        "stats": lambda: stream.broker.stats(stream.key, "group"),
        "oldest": lambda: stream.broker.find_oldest_pending(
            stream.first_consumer, "1-1", frozenset()
        ),
    }
    with pytest.raises(GroupMissing):
        await calls[call]()
    await stream.write("written before the group is back")
    await stream.broker.ensure_group(stream.first_consumer)
    assert len(await stream.take()) == 1


async def test_acknowledging_what_was_flushed_does_no_harm(stream: BrokerStream) -> None:
    await stream.broker.ensure_group(stream.first_consumer)
    [entry_id] = await stream.write("flushed")
    await stream.take()
    await stream.flush()
    committed = await stream.broker.commit(
        [Write(f"{stream.key}.output", {b"body": b"result"})], stream.first_consumer, [entry_id]
    )
    assert len(committed.entry_ids) == 1


async def test_a_key_that_expires_is_gone_after_its_window(stream: BrokerStream) -> None:
    key = stream.key.replace(":stream:", ":reply:")
    short = Write(key, {b"body": b"reply"}, retention=timedelta(seconds=1), expires=True)
    await stream.broker.commit([short])
    assert await stream.broker.depth(key) == 1

    async def gone() -> bool:
        return await stream.broker.depth(key) == 0

    assert await wait_until(gone)


async def test_a_peek_shows_the_oldest_entries_and_takes_none(stream: BrokerStream) -> None:
    assert await stream.broker.peek(stream.key, 2) == []
    first, second, _ = await stream.write("one", "two", "three")
    assert [entry.entry_id for entry in await stream.broker.peek(stream.key, 2)] == [first, second]
    await stream.broker.delete(stream.key, [first])
    assert bodies(await stream.broker.peek(stream.key, 5)) == [b"two", b"three"]
