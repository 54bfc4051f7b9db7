"""Rate limits, idempotency keys and cached views, one idea each."""

from msaas.cache import (
    Bucket,
    Completed,
    FingerprintMismatch,
    IdempotencyClaim,
    IdempotencyClaims,
    InProgress,
    RateLimit,
    RateLimiter,
    RedisStore,
    RedisViewCache,
)
from msaas.contracts import idempotency_key
from msaas.telemetry import Metrics


async def test_a_bucket_reports_the_remaining_count_and_the_retry_delay(
    store: RedisStore, environment: str
) -> None:
    limiter = RateLimiter(store, environment)
    standard = Bucket(RateLimit("standard", max_requests=2, seconds=120), "ann")
    first, second, third = [await limiter.take(standard) for _ in range(3)]
    assert (first.allowed, first.remaining) == (True, 1)
    assert (second.allowed, second.remaining) == (True, 0)
    assert (third.allowed, third.remaining) == (False, 0)
    assert 0 < third.retry_after <= 60


async def test_a_request_may_draw_on_several_buckets_and_draws_on_all_or_none(
    store: RedisStore, environment: str
) -> None:
    limiter = RateLimiter(store, environment)
    mine = Bucket(RateLimit("critical", 9, 60), "ann")
    address = Bucket(RateLimit("critical", 1, 60), "192.0.2.1")
    assert (await limiter.take(mine, address)).allowed
    assert not (await limiter.take(mine, address)).allowed
    assert (await limiter.take(mine)).remaining == 7


async def test_a_request_under_a_key_is_carried_out_by_one_and_answered_to_all(
    store: RedisStore, environment: str
) -> None:
    claims, key = IdempotencyClaims(store), idempotency_key(environment, "ann", "k")
    claim = await claims.claim(key, "pay 5", ttl_seconds=10)
    assert isinstance(claim, IdempotencyClaim)
    assert isinstance(await claims.claim(key, "pay 5", ttl_seconds=10), InProgress)
    await claims.complete(claim, b"paid", ttl_seconds=60)
    assert await claims.claim(key, "pay 5", ttl_seconds=10) == Completed(b"paid")
    assert await claims.claim(key, "pay 500", ttl_seconds=10) == FingerprintMismatch()


async def test_a_view_is_made_once_for_each_state_that_it_is_of(
    store: RedisStore, environment: str
) -> None:
    metrics = Metrics("gateway", environment)
    views = RedisViewCache(store, environment, "usage", ttl_seconds=60, metrics=metrics)
    jobs = [b"3 jobs", b"4 jobs"]

    async def load() -> bytes:
        return jobs.pop(0)

    for _ in range(2):
        assert await views.get("ann:1", load) == b"3 jobs"
    assert await views.get("ann:2", load) == b"4 jobs"
