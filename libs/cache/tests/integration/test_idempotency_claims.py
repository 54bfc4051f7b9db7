"""Claims on real Redis, compared with a model: one request at a time under a key."""

import asyncio
from collections import Counter
from typing import Any, NamedTuple, cast

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from msaas.cache import (
    Completed,
    FingerprintMismatch,
    IdempotencyClaim,
    IdempotencyClaims,
    InProgress,
    RedisStore,
)
from msaas.contracts import idempotency_key
from msaas.streams import RedisBroker
from msaas.testing import GENEROUS_TIMEOUT

LONG = 3600.0


@pytest.fixture
def claims(store: RedisStore) -> IdempotencyClaims:
    return IdempotencyClaims(store)


@pytest.fixture
def key(environment: str) -> str:
    return idempotency_key(environment, "ann", "k")


async def test_fifty_concurrent_requests_get_one_claim(claims: IdempotencyClaims, key: str) -> None:
    found = await asyncio.gather(*(claims.claim(key, "same", LONG) for _ in range(50)))
    assert Counter(type(answer) for answer in found) == {IdempotencyClaim: 1, InProgress: 49}


async def test_a_repeated_request_gets_the_stored_response(
    claims: IdempotencyClaims, key: str
) -> None:
    claim = await claims.claim(key, "same", LONG)
    assert isinstance(claim, IdempotencyClaim)
    assert await claims.complete(claim, b"\x00answer\xff", LONG)
    assert await claims.claim(key, "same", LONG) == Completed(b"\x00answer\xff")
    assert await claims.claim(key, "other", LONG) == FingerprintMismatch()


async def test_a_claim_whose_holder_died_ends_by_itself(
    claims: IdempotencyClaims, broker: RedisBroker, key: str
) -> None:
    dead = await claims.claim(key, "same", 10.0)
    assert isinstance(dead, IdempotencyClaim)
    busy = await claims.claim(key, "same", 10.0)
    assert isinstance(busy, InProgress)
    assert 0 < busy.seconds <= 10
    await broker.execute_command("PEXPIRE", key, 0)
    heir = await claims.claim(key, "same", 10.0)
    assert isinstance(heir, IdempotencyClaim)
    assert not await claims.complete(dead, b"late", LONG)
    assert not await claims.release(dead)
    assert await claims.complete(heir, b"in time", LONG)


async def test_a_script_that_the_server_no_longer_has_is_sent_again(
    claims: IdempotencyClaims, broker: RedisBroker, key: str
) -> None:
    assert isinstance(await claims.claim(key, "same", LONG), IdempotencyClaim)
    await broker.execute_command("SCRIPT", "FLUSH")
    assert isinstance(await claims.claim(key, "same", LONG), InProgress)


class HeldClaim(NamedTuple):
    fingerprint: str
    claim: IdempotencyClaim | None
    answer: bytes | None


class ClaimsMachine(RuleBasedStateMachine):
    """Requests under two keys; the claims of their holders may have expired."""

    def __init__(self, runner: asyncio.Runner, redis_url: str, environment: str) -> None:
        super().__init__()
        self.runner = runner
        self.broker = RedisBroker(redis_url, command_timeout=GENEROUS_TIMEOUT)
        self.claims = IdempotencyClaims(RedisStore(self.broker))
        self.keys = {key: idempotency_key(environment, "ann", key) for key in "xy"}
        self.held: dict[str, HeldClaim] = {}
        self.believed: list[IdempotencyClaim] = []
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
                assert isinstance(found, IdempotencyClaim)
                self.held[key] = HeldClaim(mark, found, None)
                self.believed.append(found)
            case HeldClaim(fingerprint=other) if other != mark:
                assert found == FingerprintMismatch()
            case HeldClaim(answer=None):
                assert isinstance(found, InProgress)
            case HeldClaim(answer=answer):
                assert found == Completed(answer or b"")

    @rule(data=st.data(), answer=st.binary(max_size=8))
    def settle(self, data: st.DataObject, answer: bytes) -> None:
        if not self.believed:
            return
        claim = data.draw(st.sampled_from(self.believed))
        was_held = self.is_held(claim)
        assert self.run(self.claims.complete(claim, answer, LONG)) == was_held
        if was_held:
            self.held[claim.key] = self.held[claim.key]._replace(claim=None, answer=answer)

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        if not self.believed:
            return
        claim = data.draw(st.sampled_from(self.believed))
        was_held = self.is_held(claim)
        assert self.run(self.claims.release(claim)) == was_held
        if was_held:
            del self.held[claim.key]

    @rule(name=st.sampled_from("xy"))
    def forget(self, name: str) -> None:
        """Delete the key: it has expired, or Redis has lost its data."""
        self.run(self.broker.execute_command("DEL", self.keys[name]))
        self.held.pop(self.keys[name], None)

    def is_held(self, claim: IdempotencyClaim) -> bool:
        return claim.key in self.held and self.held[claim.key].claim == claim

    def teardown(self) -> None:
        self.forget("x")
        self.forget("y")
        self.run(self.broker.close())


def test_each_key_has_one_holder_under_any_sequence_of_claims_and_losses(
    redis_url: str, environment: str
) -> None:
    with asyncio.Runner() as runner:
        run_state_machine_as_test(
            cast("Any", lambda: ClaimsMachine(runner, redis_url, environment)),
            settings=settings(max_examples=40, stateful_step_count=30),
        )
