"""Published keys over time: fresh, stale, failing and rotating, with bounded fetches."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from joserfc.jwk import ECKey, RSAKey
from structlog.testing import capture_logs

from msaas.auth.errors import JwksUnavailable
from msaas.auth.jwks_cache import REFETCH_COOLDOWN, REFRESH_SECONDS, STALE_SECONDS, JwksCache
from msaas.kernel import DependencyUnavailable
from msaas.telemetry import Metrics
from msaas.testing import FakeClock

ONE = ECKey.generate_key("P-256", {"kid": "one"})
TWO = RSAKey.generate_key(2048, {"kid": "two"})
TTL = REFRESH_SECONDS[1]


class Publisher:
    """A fake publisher of keys that counts fetches, and responds or fails as configured."""

    def __init__(self) -> None:
        self.fetches = 0
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.publish(ONE)

    def publish(self, *keys: ECKey | RSAKey) -> None:
        self.body = json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()

    async def fetch(self) -> bytes:
        self.fetches += 1
        await self.gate.wait()
        if self.failure:
            raise self.failure
        return self.body


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("web", "test")


@pytest_asyncio.fixture
async def keys(
    publisher: Publisher, metrics: Metrics, fake_clock: FakeClock
) -> AsyncIterator[JwksCache]:
    source = JwksCache(publisher.fetch, metrics=metrics, clock=fake_clock)
    yield source
    await source.close()


async def outlast_retries(clock: FakeClock) -> None:
    await clock.advance(1)


async def test_a_hundred_concurrent_callers_share_one_fetch(
    keys: JwksCache, publisher: Publisher
) -> None:
    found = await asyncio.gather(*(keys.find("one") for _ in range(100)))
    assert {key.algorithm for key in found if key} == {"ES256"}
    assert publisher.fetches == 1


async def test_a_cancelled_caller_does_not_cancel_the_fetch_for_others(
    keys: JwksCache, publisher: Publisher
) -> None:
    publisher.gate.clear()
    leaving, staying = (asyncio.create_task(keys.find("one")) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    publisher.gate.set()
    assert await staying
    assert (leaving.cancelled(), publisher.fetches) == (True, 1)


async def test_a_known_key_is_usable_while_its_renewal_hangs(
    keys: JwksCache, publisher: Publisher, fake_clock: FakeClock
) -> None:
    first = await keys.find("one")
    assert first
    publisher.gate.clear()
    await fake_clock.advance(TTL)
    for _ in range(10):
        assert await keys.find("one") is first
        assert keys.is_current(first)
        await asyncio.sleep(0)
    assert publisher.fetches == 2


async def test_fresh_keys_are_not_fetched_again(
    keys: JwksCache, publisher: Publisher, fake_clock: FakeClock
) -> None:
    await keys.find("one")
    await fake_clock.advance(REFRESH_SECONDS[0] - 1)
    await keys.find("one")
    assert publisher.fetches == 1


async def test_keys_that_a_renewal_returns_stay_valid(
    keys: JwksCache, publisher: Publisher, fake_clock: FakeClock
) -> None:
    first = await keys.find("one")
    assert first
    await fake_clock.advance(TTL)
    assert keys.is_current(first)
    await outlast_retries(fake_clock)
    assert keys.is_current(first)
    assert publisher.fetches == 2


async def test_stale_keys_are_used_for_an_hour_and_then_all_tokens_are_refused(
    keys: JwksCache, publisher: Publisher, fake_clock: FakeClock
) -> None:
    key = await keys.find("one")
    assert key
    publisher.failure = DependencyUnavailable(target="jwks")
    while fake_clock.monotonic() <= STALE_SECONDS - 60:
        await fake_clock.advance(60)
        assert await keys.find("one") is key
        assert keys.is_current(key)
    await fake_clock.advance(61)
    assert not keys.is_current(key)
    call = asyncio.create_task(keys.find("one"))
    await outlast_retries(fake_clock)
    with pytest.raises(JwksUnavailable) as raised:
        await call
    assert raised.value.context == {"target": "jwks"}
    publisher.failure = None
    await fake_clock.advance(60)
    assert await keys.find("one") is key


@pytest.mark.parametrize("failure", [DependencyUnavailable(target="jwks"), RuntimeError("a bug")])
async def test_requests_cause_no_extra_fetches_during_an_outage(
    keys: JwksCache, publisher: Publisher, fake_clock: FakeClock, failure: Exception
) -> None:
    publisher.failure = failure
    for _ in range(600):
        call = asyncio.create_task(keys.find("one"))
        await fake_clock.advance(1)
        with pytest.raises(JwksUnavailable):
            await call
    # Five tries of three calls, then one probe of three in each of the 20 half minutes.
    assert publisher.fetches <= 15 + 20 * 3


async def test_the_circuit_opens_on_a_dead_address_and_closes_on_a_live_one(
    keys: JwksCache, publisher: Publisher, metrics: Metrics, fake_clock: FakeClock
) -> None:
    def level() -> float | None:
        return metrics.registry.get_sample_value(
            "circuit_state", {"target": "jwks", "service": "web", "environment": "test"}
        )

    publisher.failure = DependencyUnavailable(target="jwks")
    while level() != 2:
        call = asyncio.create_task(keys.ensure_available())
        await fake_clock.advance(1)
        with pytest.raises(JwksUnavailable):
            await call
    publisher.failure = None
    await fake_clock.advance(33)
    await keys.ensure_available()
    assert level() == 0


async def test_a_failed_fetch_is_logged_without_the_response(
    keys: JwksCache, publisher: Publisher
) -> None:
    publisher.body = b'{"keys": [{"kty": "oct", "kid": "s", "k": "planted-secret"}]}'
    with capture_logs() as logs, pytest.raises(JwksUnavailable):
        await keys.ensure_available()
    assert [line["event"] for line in logs] == ["jwks_fetch_failed"]
    assert logs[0]["reason"] == "a key that must never be published"
    assert "planted-secret" not in str(logs)


async def test_a_rotated_key_is_found_by_all_concurrent_callers(
    keys: JwksCache, publisher: Publisher, fake_clock: FakeClock
) -> None:
    await keys.find("one")
    await fake_clock.advance(REFETCH_COOLDOWN)
    publisher.publish(ONE, TWO)
    found = await asyncio.gather(*(keys.find("two") for _ in range(100)))
    assert {key.algorithm for key in found if key} == {"RS256"}
    assert None not in found
    assert publisher.fetches == 2


async def test_unknown_keys_cause_one_fetch_per_cool_down(
    keys: JwksCache, publisher: Publisher, fake_clock: FakeClock
) -> None:
    await keys.find("one")
    for round_ in range(1, 6):
        await fake_clock.advance(REFETCH_COOLDOWN)
        found = await asyncio.gather(*(keys.find(f"unknown-{n}") for n in range(200)))
        assert set(found) == {None}
        assert publisher.fetches == 1 + round_


async def test_an_unknown_key_is_unavailable_rather_than_refused_while_the_fetch_fails(
    keys: JwksCache, publisher: Publisher, fake_clock: FakeClock
) -> None:
    known = await keys.find("one")
    await fake_clock.advance(REFETCH_COOLDOWN)
    publisher.failure = DependencyUnavailable(target="jwks")
    call = asyncio.create_task(keys.find("unknown"))
    await outlast_retries(fake_clock)
    with pytest.raises(JwksUnavailable):
        await call
    assert await keys.find("one") is known


async def test_a_key_that_was_removed_from_the_set_is_refused(
    keys: JwksCache, publisher: Publisher, fake_clock: FakeClock
) -> None:
    one = await keys.find("one")
    assert one
    publisher.publish(TWO)
    await fake_clock.advance(REFETCH_COOLDOWN)
    assert await keys.find("two")
    assert not keys.is_current(one)
    assert await keys.find("one") is None
    publisher.publish(ONE, TWO)
    await fake_clock.advance(REFETCH_COOLDOWN)
    assert await keys.find("one")
    assert not keys.is_current(one)


async def test_another_key_under_a_known_id_is_another_key(
    keys: JwksCache, publisher: Publisher, fake_clock: FakeClock
) -> None:
    first = await keys.find("one")
    assert first
    publisher.publish(ECKey.generate_key("P-256", {"kid": "one"}))
    await fake_clock.advance(TTL)
    await keys.find("one")
    await outlast_retries(fake_clock)
    assert not keys.is_current(first)
    assert await keys.find("one") is not first
