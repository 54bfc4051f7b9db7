"""A published key set is accepted only if every key in it is valid."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from msaas.auth.jwks import MAX_BYTES, MAX_KEYS, InvalidJwks, parse_jwks

EC = ECKey.generate_key("P-256", {"kid": "ec"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
PUBLIC_EC: dict[str, Any] = dict(EC.as_dict(private=False))
PUBLIC_RSA: dict[str, Any] = dict(RSA.as_dict(private=False))
SYMMETRIC: dict[str, Any] = dict(OctKey.generate_key(256, {"kid": "oct"}).as_dict(private=True))
LARGER_CURVE: dict[str, Any] = dict(
    ECKey.generate_key("P-384", {"kid": "p384"}).as_dict(private=False)
)
ED25519: dict[str, Any] = dict(OKPKey.generate_key("Ed25519", {"kid": "ed"}).as_dict(private=False))


def publish(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


@pytest.mark.parametrize("named", [True, False])
def test_keys_are_good_for_the_one_algorithm_of_their_kind(*, named: bool) -> None:
    ec, rsa = ({"alg": "ES256"}, {"alg": "RS256"}) if named else ({}, {})
    keys = parse_jwks(publish({**PUBLIC_EC, **ec}, {**PUBLIC_RSA, **rsa}))
    assert {kid: key.algorithm for kid, key in keys.items()} == {"ec": "ES256", "rsa": "RS256"}


def test_the_thumbprint_of_a_key_does_not_depend_on_its_metadata() -> None:
    (plain,) = parse_jwks(publish(PUBLIC_EC)).values()
    (described,) = parse_jwks(publish({**PUBLIC_EC, "use": "sig", "x-note": 1})).values()
    (other,) = parse_jwks(
        publish(ECKey.generate_key("P-256", {"kid": "ec"}).as_dict(private=False))
    ).values()
    assert plain.thumbprint == described.thumbprint != other.thumbprint


@pytest.mark.parametrize(
    "passed_over",
    [
        LARGER_CURVE,
        ED25519,
        {**PUBLIC_RSA, "alg": "PS256"},
        {**PUBLIC_RSA, "alg": "RSA-OAEP", "use": "enc"},
        {**PUBLIC_EC, "kid": "agreement", "use": "enc"},
        {"kty": "from the future", "kid": "new"},
    ],
)
def test_an_honest_key_of_another_kind_is_passed_over(passed_over: dict[str, Any]) -> None:
    assert set(parse_jwks(publish(PUBLIC_EC, passed_over))) == {"ec"}
    with pytest.raises(InvalidJwks, match="no key that can be used"):
        parse_jwks(publish(passed_over))


LIES: dict[str, bytes] = {
    "html": b"<html>Please sign in to this network</html>",
    "nothing": b"",
    "another object": b'{"error": "not found"}',
    "a bare list": json.dumps([PUBLIC_EC]).encode(),
    "keys by id": json.dumps({"keys": {"ec": PUBLIC_EC}}).encode(),
    "no keys": publish(),
    "a key that is a text": publish(PUBLIC_EC, "ec"),
    "no id": publish(PUBLIC_EC, {**PUBLIC_RSA, "kid": None}),
    "an empty id": publish({**PUBLIC_EC, "kid": ""}),
    "an id that is a list": publish({**PUBLIC_EC, "kid": ["ec"]}),
    "an endless id": publish({**PUBLIC_EC, "kid": "x" * 1000}),
    "a private key": publish(EC.as_dict(private=True)),
    "a private key of another kind": publish(PUBLIC_EC, {**ED25519, "d": "secret"}),
    "a symmetric key": publish(PUBLIC_EC, SYMMETRIC),
    "a public key said to be for HS256": publish(PUBLIC_EC, {**PUBLIC_RSA, "alg": "HS256"}),
    "an RSA key said to be for ES256": publish(PUBLIC_EC, {**PUBLIC_RSA, "alg": "ES256"}),
    "a curve said to be for RS256": publish(PUBLIC_RSA, {**PUBLIC_EC, "alg": "RS256"}),
    "an algorithm that is a list": publish(PUBLIC_RSA, {**PUBLIC_EC, "alg": ["ES256"]}),
    "one id twice": publish(PUBLIC_EC, PUBLIC_EC),
    "one id for two kinds": publish(PUBLIC_EC, {**PUBLIC_RSA, "kid": "ec"}),
    "thousands of keys": publish(*({"kty": "OKP", "kid": str(n)} for n in range(3000))),
    "too many keys": publish(*({**PUBLIC_EC, "kid": str(n)} for n in range(MAX_KEYS + 1))),
    "too many bytes": publish(PUBLIC_EC).ljust(MAX_BYTES + 1),
    "a point off the curve": publish({**PUBLIC_EC, "y": PUBLIC_EC["x"]}),
    "a point that is missing": publish({"kty": "EC", "crv": "P-256", "kid": "ec"}),
    "a point that is a number": publish({**PUBLIC_EC, "x": 7}),
    "a short key": publish({**PUBLIC_RSA, "n": str(PUBLIC_RSA["n"])[:170] + "A"}),
    "a key as long as the road": publish({**PUBLIC_RSA, "n": str(PUBLIC_RSA["n"]) * 8}),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_in_one_key_is_a_lie_in_all(lie: str) -> None:
    with pytest.raises(InvalidJwks):
        parse_jwks(LIES[lie])


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("EC"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(sorted({"keys", "d", *PUBLIC_EC, *PUBLIC_RSA})), inner)
    ),
    max_leaves=10,
)
changes = st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "kid", "alg", "use", "d"]), odd)


@given(st.binary(max_size=200) | odd.map(lambda value: json.dumps(value).encode()))
def test_any_published_document_is_read_or_refused(body: bytes) -> None:
    try:
        keys = parse_jwks(body)
    except InvalidJwks:
        return
    assert all(key.kid == kid for kid, key in keys.items())


@given(changes)
def test_a_key_with_odd_fields_is_read_passed_over_or_refused(odd_fields: dict[str, Any]) -> None:
    try:
        keys = parse_jwks(publish(PUBLIC_RSA, {**PUBLIC_EC, **odd_fields}))
    except InvalidJwks:
        return
    assert "rsa" in keys
    assert {key.algorithm for key in keys.values()} <= {"ES256", "RS256"}
