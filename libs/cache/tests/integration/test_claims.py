"""Claims on real Redis: one request at a time under a key, held to a model in plain Python."""

import asyncio
from collections import Counter
from typing import Any, NamedTuple, cast

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from msaas.cache import Busy, Claim, Claims, Done, Mismatch, RedisStore
from msaas.contracts import idempotency_key
from msaas.streams import RedisWire
from msaas.testing import PATIENCE

LONG = 3600.0


@pytest.fixture
def claims(store: RedisStore) -> Claims:
    return Claims(store)


@pytest.fixture
def key(environment: str) -> str:
    return idempotency_key(environment, "ann", "k")


async def test_fifty_who_come_at_once_get_one_claim(claims: Claims, key: str) -> None:
    found = await asyncio.gather(*(claims.claim(key, "same", LONG) for _ in range(50)))
    assert Counter(type(one) for one in found) == {Claim: 1, Busy: 49}


async def test_whoever_repeats_gets_the_answer_that_was_kept(claims: Claims, key: str) -> None:
    claim = await claims.claim(key, "same", LONG)
    assert isinstance(claim, Claim)
    assert await claims.settle(claim, b"\x00answer\xff", LONG)
    assert await claims.claim(key, "same", LONG) == Done(b"\x00answer\xff")
    assert await claims.claim(key, "other", LONG) == Mismatch()


async def test_a_claim_whose_holder_died_ends_by_itself(
    claims: Claims, wire: RedisWire, key: str
) -> None:
    dead = await claims.claim(key, "same", 10.0)
    assert isinstance(dead, Claim)
    busy = await claims.claim(key, "same", 10.0)
    assert isinstance(busy, Busy)
    assert 0 < busy.seconds <= 10
    await wire.run("PEXPIRE", key, 0)
    heir = await claims.claim(key, "same", 10.0)
    assert isinstance(heir, Claim)
    assert not await claims.settle(dead, b"late", LONG)
    assert not await claims.release(dead)
    assert await claims.settle(heir, b"in time", LONG)


async def test_a_script_that_the_server_has_forgotten_is_sent_again(
    claims: Claims, wire: RedisWire, key: str
) -> None:
    assert isinstance(await claims.claim(key, "same", LONG), Claim)
    await wire.run("SCRIPT", "FLUSH")
    assert isinstance(await claims.claim(key, "same", LONG), Busy)


class Held(NamedTuple):
    mark: str
    claim: Claim | None
    answer: bytes | None


class Machine(RuleBasedStateMachine):
    """Requests under two keys; what their holders still believe may be long over."""

    def __init__(self, runner: asyncio.Runner, redis_url: str, environment: str) -> None:
        super().__init__()
        self.runner = runner
        self.wire = RedisWire(redis_url, command_timeout=PATIENCE)
        self.claims = Claims(RedisStore(self.wire))
        self.keys = {one: idempotency_key(environment, "ann", one) for one in "xy"}
        self.held: dict[str, Held] = {}
        self.believed: list[Claim] = []
        self.forget("x")
        self.forget("y")

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    @rule(name=st.sampled_from("xy"), mark=st.sampled_from(["one", "two"]))
    def claim(self, name: str, mark: str) -> None:
        key = self.keys[name]
        found = self.run(self.claims.claim(key, mark, LONG))
        match self.held.get(key):
            case None:
                assert isinstance(found, Claim)
                self.held[key] = Held(mark, found, None)
                self.believed.append(found)
            case Held(mark=other) if other != mark:
                assert found == Mismatch()
            case Held(answer=None):
                assert isinstance(found, Busy)
            case Held(answer=answer):
                assert found == Done(answer or b"")

    @rule(data=st.data(), answer=st.binary(max_size=8))
    def settle(self, data: st.DataObject, answer: bytes) -> None:
        if not self.believed:
            return
        claim = data.draw(st.sampled_from(self.believed))
        ours = self.is_held(claim)
        assert self.run(self.claims.settle(claim, answer, LONG)) == ours
        if ours:
            self.held[claim.key] = self.held[claim.key]._replace(claim=None, answer=answer)

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        if not self.believed:
            return
        claim = data.draw(st.sampled_from(self.believed))
        ours = self.is_held(claim)
        assert self.run(self.claims.release(claim)) == ours
        if ours:
            del self.held[claim.key]

    @rule(name=st.sampled_from("xy"))
    def forget(self, name: str) -> None:
        """Lose the key: its time is over, or Redis has lost everything."""
        self.run(self.wire.run("DEL", self.keys[name]))
        self.held.pop(self.keys[name], None)

    def is_held(self, claim: Claim) -> bool:
        return claim.key in self.held and self.held[claim.key].claim == claim

    def teardown(self) -> None:
        self.forget("x")
        self.forget("y")
        self.run(self.wire.close())


def test_whatever_is_claimed_settled_and_lost_each_key_has_one_holder(
    redis_url: str, environment: str
) -> None:
    with asyncio.Runner() as runner:
        run_state_machine_as_test(
            cast("Any", lambda: Machine(runner, redis_url, environment)),
            settings=settings(max_examples=40, stateful_step_count=30),
        )
