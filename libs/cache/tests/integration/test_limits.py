"""Limits on real Redis, held to a model that counts in whole draws of plain Python."""

import asyncio
from collections import Counter
from typing import Any, cast

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from msaas.cache import Bucket, Limit, Limiter, RedisStore, Verdict
from msaas.contracts import rate_limit_key
from msaas.streams import RedisWire
from msaas.testing import PATIENCE

HOUR = 3600
FEW = Limit("few", 3, HOUR)
MANY = Limit("many", 5, HOUR)
HOLDERS = ("ann", "bob")


@pytest.fixture
def limiter(store: RedisStore, environment: str) -> Limiter:
    return Limiter(store, environment)


async def test_as_many_as_the_limit_says_are_admitted_and_each_is_told_what_is_left(
    limiter: Limiter,
) -> None:
    verdicts = [await limiter.take(Bucket(FEW, "ann")) for _ in range(4)]
    assert [one.admitted for one in verdicts] == [True, True, True, False]
    assert [one.remaining for one in verdicts] == [2, 1, 0, 0]
    assert [one.retry_after > 0 for one in verdicts] == [False, False, True, True]
    assert verdicts[-1].retry_after <= HOUR / 3
    assert verdicts[-1].full_in <= HOUR


async def test_holders_and_categories_do_not_share(limiter: Limiter) -> None:
    for _ in range(3):
        await limiter.take(Bucket(FEW, "ann"))
    assert (await limiter.take(Bucket(FEW, "bob"))).admitted
    assert (await limiter.take(Bucket(MANY, "ann"))).admitted
    assert not (await limiter.take(Bucket(FEW, "ann"))).admitted


async def test_a_refusal_by_one_bucket_draws_on_none(limiter: Limiter) -> None:
    both = (Bucket(FEW, "ann"), Bucket(MANY, "10.0.0.1"))
    verdicts = [await limiter.take(*both) for _ in range(5)]
    assert [one.admitted for one in verdicts] == [True, True, True, False, False]
    assert {one.limit for one in verdicts} == {FEW}
    assert (await limiter.take(both[1])).remaining == 1


async def test_however_many_ask_at_once_no_more_than_the_limit_get_in(limiter: Limiter) -> None:
    verdicts = await asyncio.gather(*(limiter.take(Bucket(MANY, "ann")) for _ in range(50)))
    assert Counter(one.admitted for one in verdicts) == {True: 5, False: 45}


async def test_a_bucket_that_is_full_again_is_no_key(
    limiter: Limiter, wire: RedisWire, environment: str
) -> None:
    await limiter.take(Bucket(Limit("brief", 2, 1), "ann"))
    left_ms = await wire.run("PTTL", rate_limit_key(environment, "brief", "ann"))
    assert 0 < left_ms <= 500


class Machine(RuleBasedStateMachine):
    """Two holders of two limits; time passes by moving what Redis keeps into the past."""

    def __init__(self, runner: asyncio.Runner, redis_url: str, environment: str) -> None:
        super().__init__()
        self.runner = runner
        self.wire = RedisWire(redis_url, command_timeout=PATIENCE)
        self.environment = environment
        self.limiter = Limiter(RedisStore(self.wire), environment)
        # Hours are long beside a test: what comes back by itself while it runs is not one draw.
        self.used: dict[tuple[Limit, str], int] = {}
        self.run(self.forget())

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    async def forget(self) -> None:
        for limit in (FEW, MANY):
            for holder in HOLDERS:
                await self.wire.run("DEL", self.key(limit, holder))

    def key(self, limit: Limit, holder: str) -> str:
        return rate_limit_key(self.environment, limit.category, holder)

    @rule(limits=st.sampled_from([(FEW,), (MANY,), (FEW, MANY)]), holder=st.sampled_from(HOLDERS))
    def take(self, limits: tuple[Limit, ...], holder: str) -> None:
        verdict: Verdict = self.run(self.limiter.take(*(Bucket(one, holder) for one in limits)))
        drawn = [(limit, holder) for limit in limits]
        expected = all(self.used.get(one, 0) < one[0].most for one in drawn)
        if expected:
            self.used |= {one: self.used.get(one, 0) + 1 for one in drawn}
        assert verdict.admitted == expected
        assert verdict.remaining == min(one[0].most - self.used.get(one, 0) for one in drawn)
        assert (verdict.retry_after > 0) == (verdict.remaining == 0)

    @rule(
        limit=st.sampled_from([FEW, MANY]),
        holder=st.sampled_from(HOLDERS),
        draws=st.integers(1, 6),
    )
    def pass_time(self, limit: Limit, holder: str, draws: int) -> None:
        """Let so many draws come back."""
        self.used[limit, holder] = max(0, self.used.get((limit, holder), 0) - draws)
        self.run(self.age(self.key(limit, holder), draws * limit.interval_us))

    async def age(self, key: str, microseconds: int) -> None:
        full_at = await self.wire.run("GET", key)
        if full_at is not None:
            await self.wire.run("SET", key, int(full_at) - microseconds, "KEEPTTL")

    def teardown(self) -> None:
        self.run(self.forget())
        self.run(self.wire.close())


def test_whatever_is_drawn_and_comes_back_the_limiter_agrees_with_a_count(
    redis_url: str, environment: str
) -> None:
    with asyncio.Runner() as runner:
        run_state_machine_as_test(
            cast("Any", lambda: Machine(runner, redis_url, environment)),
            settings=settings(max_examples=40, stateful_step_count=30),
        )


@given(most=st.integers(1, 100_000), seconds=st.integers(1, 86_400))
def test_a_limit_never_lets_back_more_than_it_says(most: int, seconds: int) -> None:
    assert Limit("any", most, seconds).interval_us * most >= seconds * 1_000_000
