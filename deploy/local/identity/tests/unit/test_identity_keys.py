"""Rotation of keys: no key signs before it is published, none is removed too early."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msaas.identity.domain.sessions import TOKEN_LIFETIME
from msaas.identity.domain.signing_keys import (
    PROPAGATION_TIME,
    KeyUse,
    SigningKey,
    StandbyKeyTooNew,
    rotate_signing_keys,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Token:
    kid: str
    ends: datetime


def key(kid: str, use: KeyUse, since: datetime = START) -> SigningKey:
    return SigningKey(kid=kid, use=use, since=since, jwk="{}")


def signer(keys: list[SigningKey]) -> str:
    (current,) = [key.kid for key in keys if key.use is KeyUse.CURRENT]
    return current


@given(st.lists(st.integers(0, 120), max_size=30))
def test_every_valid_token_has_a_published_key(minutes: list[int]) -> None:
    keys = [key("0", KeyUse.CURRENT), key("1", KeyUse.STANDBY)]
    published = {"0": START, "1": START}
    tokens: list[Token] = []
    now = START
    for number, wait in enumerate(minutes, start=2):
        tokens.append(Token(signer(keys), now + TOKEN_LIFETIME))
        now += timedelta(minutes=wait)
        fresh = key(str(number), KeyUse.STANDBY, now)
        try:
            keys = rotate_signing_keys(keys, fresh, now)
        except StandbyKeyTooNew:
            assert (
                now - published[keys[0].kid] < PROPAGATION_TIME
                or wait < PROPAGATION_TIME.seconds / 60
            )
            continue
        published[fresh.kid] = now
        known = {key.kid for key in keys}
        assert sum(key.use is KeyUse.STANDBY for key in keys) == 1
        assert now - published[signer(keys)] >= PROPAGATION_TIME
        assert all(token.kid in known for token in tokens if token.ends > now)


def test_old_keys_are_removed_when_their_tokens_have_expired() -> None:
    keys = [key("old", KeyUse.PREVIOUS), key("b", KeyUse.CURRENT), key("c", KeyUse.STANDBY)]
    later = START + TOKEN_LIFETIME * 2
    left = rotate_signing_keys(keys, key("d", KeyUse.STANDBY, later), later)
    assert {key.kid: key.use for key in left} == {
        "d": KeyUse.STANDBY,
        "c": KeyUse.CURRENT,
        "b": KeyUse.PREVIOUS,
    }


def test_a_young_standby_signs_only_on_demand() -> None:
    keys = [key("a", KeyUse.CURRENT), key("b", KeyUse.STANDBY)]
    soon = START + timedelta(minutes=4)
    fresh = key("c", KeyUse.STANDBY, soon)
    with pytest.raises(StandbyKeyTooNew, match="360 s"):
        rotate_signing_keys(keys, fresh, soon)
    assert signer(rotate_signing_keys(keys, fresh, soon, at_once=True)) == "b"


def test_a_private_key_is_not_in_the_repr() -> None:
    shown = repr(SigningKey(kid="a", use=KeyUse.CURRENT, since=START, jwk="the-secret-part"))
    assert "the-secret-part" not in shown
