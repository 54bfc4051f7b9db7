"""Rate limits on real Redis, compared with a model that counts whole requests."""

import asyncio
from collections import Counter
from typing import Any, cast

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from msaas.cache import Bucket, RateLimit, RateLimitDecision, RateLimiter, RedisStore
from msaas.contracts import rate_limit_key
from msaas.streams import RedisBroker
from msaas.testing import GENEROUS_TIMEOUT

HOUR = 3600
FEW = RateLimit("few", 3, HOUR)
MANY = RateLimit("many", 5, HOUR)
HOLDERS = ("ann", "bob")


@pytest.fixture
def limiter(store: RedisStore, environment: str) -> RateLimiter:
    return RateLimiter(store, environment)


async def test_requests_up_to_the_limit_are_admitted_with_the_remaining_count(
    limiter: RateLimiter,
) -> None:
    decisions = [await limiter.take(Bucket(FEW, "ann")) for _ in range(4)]
    assert [decision.allowed for decision in decisions] == [True, True, True, False]
    assert [decision.remaining for decision in decisions] == [2, 1, 0, 0]
    assert [decision.retry_after > 0 for decision in decisions] == [False, False, True, True]
    assert decisions[-1].retry_after <= HOUR / 3
    assert decisions[-1].reset_after <= HOUR


async def test_holders_and_categories_do_not_share(limiter: RateLimiter) -> None:
    for _ in range(3):
        await limiter.take(Bucket(FEW, "ann"))
    assert (await limiter.take(Bucket(FEW, "bob"))).allowed
    assert (await limiter.take(Bucket(MANY, "ann"))).allowed
    assert not (await limiter.take(Bucket(FEW, "ann"))).allowed


async def test_a_refusal_by_one_bucket_draws_on_none(limiter: RateLimiter) -> None:
    both = (Bucket(FEW, "ann"), Bucket(MANY, "10.0.0.1"))
    decisions = [await limiter.take(*both) for _ in range(5)]
    assert [decision.allowed for decision in decisions] == [True, True, True, False, False]
    assert {decision.limit for decision in decisions} == {FEW}
    assert (await limiter.take(both[1])).remaining == 1


async def test_concurrent_requests_never_exceed_the_limit(limiter: RateLimiter) -> None:
    decisions = await asyncio.gather(*(limiter.take(Bucket(MANY, "ann")) for _ in range(50)))
    assert Counter(decision.allowed for decision in decisions) == {True: 5, False: 45}


async def test_a_bucket_that_is_full_again_is_no_key(
    limiter: RateLimiter, broker: RedisBroker, environment: str
) -> None:
    await limiter.take(Bucket(RateLimit("brief", 2, 1), "ann"))
    left_ms = await broker.execute_command("PTTL", rate_limit_key(environment, "brief", "ann"))
    assert 0 < left_ms <= 500


class LimiterMachine(RuleBasedStateMachine):
    """Two users of two limits; time passes by moving the stored times into the past."""

    def __init__(self, runner: asyncio.Runner, redis_url: str, environment: str) -> None:
        super().__init__()
        self.runner = runner
        self.broker = RedisBroker(redis_url, command_timeout=GENEROUS_TIMEOUT)
        self.environment = environment
        self.limiter = RateLimiter(RedisStore(self.broker), environment)
        # The period is hours long, so that no request is refilled while the test runs.
        self.used: dict[tuple[RateLimit, str], int] = {}
        self.run(self.forget())

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    async def forget(self) -> None:
        for limit in (FEW, MANY):
            for holder in HOLDERS:
                await self.broker.execute_command("DEL", self.key(limit, holder))

    def key(self, limit: RateLimit, holder: str) -> str:
        return rate_limit_key(self.environment, limit.category, holder)

    @rule(limits=st.sampled_from([(FEW,), (MANY,), (FEW, MANY)]), holder=st.sampled_from(HOLDERS))
    def take(self, limits: tuple[RateLimit, ...], holder: str) -> None:
        decision: RateLimitDecision = self.run(
            self.limiter.take(*(Bucket(limit, holder) for limit in limits))
        )
        drawn = [(limit, holder) for limit in limits]
        expected = all(self.used.get(bucket, 0) < bucket[0].max_requests for bucket in drawn)
        if expected:
            self.used |= {bucket: self.used.get(bucket, 0) + 1 for bucket in drawn}
        assert decision.allowed == expected
        assert decision.remaining == min(
            bucket[0].max_requests - self.used.get(bucket, 0) for bucket in drawn
        )
        assert (decision.retry_after > 0) == (decision.remaining == 0)

    @rule(
        limit=st.sampled_from([FEW, MANY]),
        holder=st.sampled_from(HOLDERS),
        draws=st.integers(1, 6),
    )
    def pass_time(self, limit: RateLimit, holder: str, draws: int) -> None:
        """Let time pass until so many requests are refilled."""
        self.used[limit, holder] = max(0, self.used.get((limit, holder), 0) - draws)
        self.run(self.age(self.key(limit, holder), draws * limit.interval_us))

    async def age(self, key: str, microseconds: int) -> None:
        full_at = await self.broker.execute_command("GET", key)
        if full_at is not None:
            await self.broker.execute_command("SET", key, int(full_at) - microseconds, "KEEPTTL")

    def teardown(self) -> None:
        self.run(self.forget())
        self.run(self.broker.close())


def test_the_limiter_agrees_with_a_count_under_any_sequence(
    redis_url: str, environment: str
) -> None:
    with asyncio.Runner() as runner:
        run_state_machine_as_test(
            cast("Any", lambda: LimiterMachine(runner, redis_url, environment)),
            settings=settings(max_examples=40, stateful_step_count=30),
        )


@given(most=st.integers(1, 100_000), seconds=st.integers(1, 86_400))
def test_a_limit_never_refills_faster_than_its_rate(most: int, seconds: int) -> None:
    assert RateLimit("any", most, seconds).interval_us * most >= seconds * 1_000_000
