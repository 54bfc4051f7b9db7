"""What is remembered of a key, for how long, and what an attacker cannot do to that memory."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from msaas.gateway.application import key_ring
from msaas.gateway.application.held_streams import UNCHECKED_SECONDS, HeldStreams
from msaas.gateway.application.key_ports import KeyHolder
from msaas.gateway.application.key_ring import KeyRing
from msaas.gateway.domain.api_keys import build_key, hash_key
from msaas.kernel import DependencyUnavailable
from msaas.telemetry import Metrics
from msaas.testing import FakeClock
from msaas.web.auth import KeyGrant, Unauthenticated, UserPrincipal

PEPPERS = [b"new", b"old"]
KEY, OTHER = build_key(b"k" * 32), build_key(b"o" * 32)


class Record:
    """Plays the record: keys by their hash, and how often it was asked."""

    def __init__(self) -> None:
        self.holders: dict[bytes, KeyHolder] = {}
        self.used: list[Mapping[UUID, datetime]] = []
        self.dead: set[UUID] = set()
        self.asked = 0
        self.failure: Exception | None = None

    def put(self, key: str, pepper: bytes = b"new", expires_at: datetime | None = None) -> UUID:
        grant = KeyGrant(uuid4(), frozenset({"jobs:read"}))
        user = UserPrincipal(uuid4(), None, "FREE", None, "user", key=grant)
        self.holders[hash_key(pepper, key)] = KeyHolder(user, expires_at)
        return grant.id

    async def find_holder(self, hashes: Sequence[bytes]) -> KeyHolder | None:
        self.asked += 1
        if self.failure:
            raise self.failure
        return next((self.holders[one] for one in hashes if one in self.holders), None)

    async def mark_used(self, used: Mapping[UUID, datetime]) -> None:
        if self.failure:
            raise self.failure
        self.used.append(used)

    async def find_dead(self, key_ids: Collection[UUID]) -> Collection[UUID]:
        if self.failure:
            raise self.failure
        return [one for one in key_ids if one in self.dead]


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
def ring(record: Record, fake_clock: FakeClock) -> KeyRing:
    return KeyRing(record, PEPPERS, metrics=Metrics("gateway", "test"), clock=fake_clock)


async def test_a_key_is_looked_up_once_in_five_seconds(
    record: Record, ring: KeyRing, fake_clock: FakeClock
) -> None:
    record.put(KEY)
    for _ in range(3):
        await ring.get_holder(KEY)
    assert record.asked == 1
    await fake_clock.advance(5)
    await ring.get_holder(KEY)
    assert record.asked == 2


async def test_a_revoked_key_is_refused_when_the_memory_ends_and_at_once_where_it_was_revoked(
    record: Record, ring: KeyRing, fake_clock: FakeClock
) -> None:
    key_id = record.put(KEY)
    await ring.get_holder(KEY)
    record.holders.clear()
    await ring.get_holder(KEY)
    ring.forget(key_id)
    with pytest.raises(Unauthenticated):
        await ring.get_holder(KEY)
    record.put(OTHER)
    await ring.get_holder(OTHER)
    record.holders.clear()
    await fake_clock.advance(5)
    with pytest.raises(Unauthenticated):
        await ring.get_holder(OTHER)


async def test_what_was_read_before_a_change_is_not_remembered(
    record: Record, ring: KeyRing
) -> None:
    key_id = record.put(KEY)
    find = record.find_holder

    async def find_while_it_changes(hashes: Sequence[bytes]) -> KeyHolder | None:
        found = await find(hashes)
        ring.forget(key_id)
        return found

    record.find_holder = find_while_it_changes
    await ring.get_holder(KEY)
    record.holders.clear()
    with pytest.raises(Unauthenticated):
        await ring.get_holder(KEY)


async def test_nobody_is_let_in_while_the_record_does_not_answer(
    record: Record, ring: KeyRing, fake_clock: FakeClock
) -> None:
    record.put(KEY)
    await ring.get_holder(KEY)
    record.failure = DependencyUnavailable()
    await fake_clock.advance(5)
    with pytest.raises(DependencyUnavailable):
        await ring.get_holder(KEY)
    record.failure = None
    await ring.get_holder(KEY)


async def test_an_older_pepper_still_finds_its_keys(record: Record, ring: KeyRing) -> None:
    key_id = record.put(KEY, b"old")
    user, _ = await ring.get_holder(KEY)
    assert user.key is not None
    assert user.key.id == key_id


async def test_a_misspelt_key_costs_no_look_up_and_a_refused_one_costs_one(
    record: Record, ring: KeyRing
) -> None:
    for key in (KEY[:-1] + ("0" if KEY[-1] != "0" else "1"), KEY, KEY, KEY):
        with pytest.raises(Unauthenticated):
            await ring.get_holder(key)
    assert record.asked == 1


async def test_a_flood_of_bad_keys_pushes_no_good_one_out(record: Record, ring: KeyRing) -> None:
    record.put(KEY)
    await ring.get_holder(KEY)
    for number in range(key_ring.MOST_REFUSED + 10):
        with pytest.raises(Unauthenticated):
            await ring.get_holder(build_key(number.to_bytes(32)))
    asked = record.asked
    await ring.get_holder(KEY)
    assert record.asked == asked


async def test_a_key_ends_at_its_moment_though_it_is_remembered(
    record: Record, ring: KeyRing, fake_clock: FakeClock
) -> None:
    end = fake_clock.now() + timedelta(seconds=2)
    record.put(KEY, expires_at=end)
    assert (await ring.get_holder(KEY))[1] == end.timestamp()
    await fake_clock.advance(2)
    with pytest.raises(Unauthenticated):
        await ring.get_holder(KEY)


async def test_use_is_written_together_and_kept_when_it_cannot_be(
    record: Record, ring: KeyRing, fake_clock: FakeClock
) -> None:
    ids = {record.put(KEY), record.put(OTHER)}
    for key in (KEY, OTHER, KEY):
        await ring.get_holder(key)
    record.failure = DependencyUnavailable()
    with pytest.raises(DependencyUnavailable):
        await ring.note_use()
    record.failure = None
    await ring.note_use()
    await ring.note_use()
    assert [used.keys() for used in record.used] == [ids]


async def test_streams_end_with_their_key_and_no_other(
    record: Record, fake_clock: FakeClock
) -> None:
    held, ended = HeldStreams(record, clock=fake_clock), list[str]()
    good, bad = uuid4(), uuid4()
    held.hold(good, lambda: ended.append("good"))
    held.hold(bad, lambda: ended.append("bad"))
    release = held.hold(bad, lambda: ended.append("gone before"))
    release()
    release()
    record.dead = {bad}
    await held.check()
    await held.check()
    assert ended == ["bad"]


async def test_streams_that_nobody_can_vouch_for_are_ended_after_a_while(
    record: Record, fake_clock: FakeClock
) -> None:
    held, ended = HeldStreams(record, clock=fake_clock), list[str]()
    held.hold(uuid4(), lambda: ended.append("it"))
    record.failure = DependencyUnavailable()
    with pytest.raises(DependencyUnavailable):
        await held.check()
    assert ended == []
    await fake_clock.advance(UNCHECKED_SECONDS + 1)
    with pytest.raises(DependencyUnavailable):
        await held.check()
    assert ended == ["it"]
