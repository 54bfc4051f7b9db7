"""What is cached of a key, for how long, and how attacks on the cache are bounded."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from msaas.auth import ApiKeyGrant, Unauthenticated, UserPrincipal
from msaas.gateway.application import api_key_verifier
from msaas.gateway.application.api_key_streams import MAX_UNVERIFIED_SECONDS, ApiKeyStreams
from msaas.gateway.application.api_key_verifier import ApiKeyVerifier
from msaas.gateway.application.key_ports import KeyHolder
from msaas.gateway.domain.api_keys import build_key, hash_key
from msaas.kernel import DependencyUnavailable
from msaas.telemetry import Metrics
from msaas.testing import FakeClock

PEPPERS = [b"new", b"old"]
KEY, OTHER = build_key(b"k" * 32), build_key(b"o" * 32)


class FakeKeyLookup:
    """A fake database of keys by their hash that counts lookups."""

    def __init__(self) -> None:
        self.holders: dict[bytes, KeyHolder] = {}
        self.used: list[Mapping[UUID, datetime]] = []
        self.inactive: set[UUID] = set()
        self.lookups = 0
        self.failure: Exception | None = None

    def put(self, key: str, pepper: bytes = b"new", expires_at: datetime | None = None) -> UUID:
        grant = ApiKeyGrant(uuid4(), frozenset({"jobs:read"}))
        user = UserPrincipal(uuid4(), None, "FREE", None, "user", api_key=grant)
        self.holders[hash_key(pepper, key)] = KeyHolder(user, expires_at)
        return grant.id

    async def find_holder(self, hashes: Sequence[bytes]) -> KeyHolder | None:
        self.lookups += 1
        if self.failure:
            raise self.failure
        return next(
            (self.holders[key_hash] for key_hash in hashes if key_hash in self.holders), None
        )

    async def mark_used(self, used: Mapping[UUID, datetime]) -> None:
        if self.failure:
            raise self.failure
        self.used.append(used)

    async def find_inactive(self, key_ids: Collection[UUID]) -> Collection[UUID]:
        if self.failure:
            raise self.failure
        return [key_id for key_id in key_ids if key_id in self.inactive]


@pytest.fixture
def key_lookup() -> FakeKeyLookup:
    return FakeKeyLookup()


@pytest.fixture
def verifier(key_lookup: FakeKeyLookup, fake_clock: FakeClock) -> ApiKeyVerifier:
    return ApiKeyVerifier(key_lookup, PEPPERS, metrics=Metrics("gateway", "test"), clock=fake_clock)


async def test_a_key_is_looked_up_once_in_five_seconds(
    key_lookup: FakeKeyLookup, verifier: ApiKeyVerifier, fake_clock: FakeClock
) -> None:
    key_lookup.put(KEY)
    for _ in range(3):
        await verifier.get_principal(KEY)
    assert key_lookup.lookups == 1
    await fake_clock.advance(5)
    await verifier.get_principal(KEY)
    assert key_lookup.lookups == 2


async def test_a_revoked_key_is_refused_at_once_by_its_process_and_elsewhere_after_the_cache_ttl(
    key_lookup: FakeKeyLookup, verifier: ApiKeyVerifier, fake_clock: FakeClock
) -> None:
    key_id = key_lookup.put(KEY)
    await verifier.get_principal(KEY)
    key_lookup.holders.clear()
    await verifier.get_principal(KEY)
    verifier.forget(key_id)
    with pytest.raises(Unauthenticated):
        await verifier.get_principal(KEY)
    key_lookup.put(OTHER)
    await verifier.get_principal(OTHER)
    key_lookup.holders.clear()
    await fake_clock.advance(5)
    with pytest.raises(Unauthenticated):
        await verifier.get_principal(OTHER)


async def test_a_key_that_changed_while_it_was_read_is_not_cached(
    key_lookup: FakeKeyLookup, verifier: ApiKeyVerifier
) -> None:
    key_id = key_lookup.put(KEY)
    find = key_lookup.find_holder

    async def find_while_it_changes(hashes: Sequence[bytes]) -> KeyHolder | None:
        found = await find(hashes)
        verifier.forget(key_id)
        return found

    key_lookup.find_holder = find_while_it_changes
    await verifier.get_principal(KEY)
    key_lookup.holders.clear()
    with pytest.raises(Unauthenticated):
        await verifier.get_principal(KEY)


async def test_all_keys_are_refused_while_the_database_is_unavailable(
    key_lookup: FakeKeyLookup, verifier: ApiKeyVerifier, fake_clock: FakeClock
) -> None:
    key_lookup.put(KEY)
    await verifier.get_principal(KEY)
    key_lookup.failure = DependencyUnavailable()
    await fake_clock.advance(5)
    with pytest.raises(DependencyUnavailable):
        await verifier.get_principal(KEY)
    key_lookup.failure = None
    await verifier.get_principal(KEY)


async def test_an_older_pepper_still_finds_its_keys(
    key_lookup: FakeKeyLookup, verifier: ApiKeyVerifier
) -> None:
    key_id = key_lookup.put(KEY, b"old")
    user, _ = await verifier.get_principal(KEY)
    assert user.api_key is not None
    assert user.api_key.id == key_id


async def test_a_malformed_key_causes_no_lookup_and_a_refused_one_causes_one(
    key_lookup: FakeKeyLookup, verifier: ApiKeyVerifier
) -> None:
    for key in (KEY[:-1] + ("0" if KEY[-1] != "0" else "1"), KEY, KEY, KEY):
        with pytest.raises(Unauthenticated):
            await verifier.get_principal(key)
    assert key_lookup.lookups == 1


async def test_a_flood_of_bad_keys_pushes_no_good_one_out(
    key_lookup: FakeKeyLookup, verifier: ApiKeyVerifier
) -> None:
    key_lookup.put(KEY)
    await verifier.get_principal(KEY)
    for number in range(api_key_verifier.MAX_CACHED_REFUSALS + 10):
        with pytest.raises(Unauthenticated):
            await verifier.get_principal(build_key(number.to_bytes(32)))
    lookups = key_lookup.lookups
    await verifier.get_principal(KEY)
    assert key_lookup.lookups == lookups


async def test_a_cached_key_expires_on_time(
    key_lookup: FakeKeyLookup, verifier: ApiKeyVerifier, fake_clock: FakeClock
) -> None:
    end = fake_clock.now() + timedelta(seconds=2)
    key_lookup.put(KEY, expires_at=end)
    assert (await verifier.get_principal(KEY))[1] == end.timestamp()
    await fake_clock.advance(2)
    with pytest.raises(Unauthenticated):
        await verifier.get_principal(KEY)


async def test_the_last_uses_are_written_in_one_batch_and_retried(
    key_lookup: FakeKeyLookup, verifier: ApiKeyVerifier, fake_clock: FakeClock
) -> None:
    ids = {key_lookup.put(KEY), key_lookup.put(OTHER)}
    for key in (KEY, OTHER, KEY):
        await verifier.get_principal(key)
    key_lookup.failure = DependencyUnavailable()
    with pytest.raises(DependencyUnavailable):
        await verifier.flush_last_used()
    key_lookup.failure = None
    await verifier.flush_last_used()
    await verifier.flush_last_used()
    assert [used.keys() for used in key_lookup.used] == [ids]


async def test_streams_end_with_their_key_and_no_other(
    key_lookup: FakeKeyLookup, fake_clock: FakeClock
) -> None:
    held, ended = ApiKeyStreams(key_lookup, clock=fake_clock), list[str]()
    good, bad = uuid4(), uuid4()
    held.register(good, lambda: ended.append("good"))
    held.register(bad, lambda: ended.append("bad"))
    release = held.register(bad, lambda: ended.append("gone before"))
    release()
    release()
    key_lookup.inactive = {bad}
    await held.end_inactive()
    await held.end_inactive()
    assert ended == ["bad"]


async def test_streams_whose_keys_cannot_be_checked_are_closed_after_a_while(
    key_lookup: FakeKeyLookup, fake_clock: FakeClock
) -> None:
    held, ended = ApiKeyStreams(key_lookup, clock=fake_clock), list[str]()
    held.register(uuid4(), lambda: ended.append("it"))
    key_lookup.failure = DependencyUnavailable()
    with pytest.raises(DependencyUnavailable):
        await held.end_inactive()
    assert ended == []
    await fake_clock.advance(MAX_UNVERIFIED_SECONDS + 1)
    with pytest.raises(DependencyUnavailable):
        await held.end_inactive()
    assert ended == ["it"]
