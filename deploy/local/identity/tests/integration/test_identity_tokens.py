"""Access tokens and their keys: claims, refused tokens, rotation."""

import hmac
from base64 import urlsafe_b64encode
from typing import Any

import asyncpg
import orjson
from identity_support import Identity
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from msaas.identity.adapters.es256_tokens import new_signing_key
from msaas.identity.adapters.postgres import PostgresSigningKeys
from msaas.identity.application.use_cases import RotateKeys
from msaas.postgres import Database, PostgresConfig
from msaas.testing import FakeClock

CLAIMS = {
    *("iss", "sub", "aud", "exp", "iat", "email", "phone", "app_metadata", "user_metadata"),
    *("role", "aal", "amr", "session_id", "is_anonymous"),
}


async def decoded(identity: Identity, session: dict[str, Any]) -> jwt.Token:
    keys = (await identity.client.get("/.well-known/jwks.json")).json()
    return jwt.decode(session["access_token"], KeySet.import_key_set(keys), algorithms=["ES256"])


async def private_keys(identity: Identity) -> dict[str, ECKey]:
    connection = await asyncpg.connect(identity.database_url)
    rows = await connection.fetch("SELECT kid, use, jwk FROM auth.signing_keys")
    await connection.close()
    return {
        row["use"]: ECKey.import_key({**orjson.loads(row["jwk"]), "kid": row["kid"]})
        for row in rows
    }


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = (urlsafe_b64encode(orjson.dumps(part)) for part in (header, claims))
    return b".".join(part.rstrip(b"=") for part in parts).decode()


def signed_with_public_key(key: ECKey, claims: dict[str, Any]) -> str:
    """Make what passes where the algorithm is taken from the token."""
    text = unsigned({"alg": "HS256", "kid": key.kid}, claims)
    mac = hmac.digest(key.as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"


async def test_the_token_has_the_claims_that_the_gateway_needs(identity: Identity) -> None:
    session = await identity.sign_up(data={"name": "Ada"})
    token = await decoded(identity, session)
    assert token.claims.keys() == CLAIMS
    assert token.header.keys() == {"alg", "kid", "typ"}
    now = int(identity.clock.now().timestamp())
    for name, value in {
        "iss": "http://identity/auth/v1",
        "sub": session["user"]["id"],
        "aud": "authenticated",
        "iat": now,
        "exp": now + 3600,
        "aal": "aal1",
        "amr": [{"method": "password", "timestamp": now}],
        "is_anonymous": False,
    }.items():
        assert token.claims[name] == value


async def test_the_published_keys_contain_no_private_part(identity: Identity) -> None:
    answer = await identity.client.get("/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=600"
    keys = answer.json()["keys"]
    assert len({key["kid"] for key in keys}) == 2
    for key in keys:
        assert key.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use", "key_ops"}


async def test_tokens_of_other_issuers_are_refused(identity: Identity) -> None:
    session = await identity.sign_up()
    good = await decoded(identity, session)
    keys = await private_keys(identity)
    current, foreign = keys["current"], ECKey.generate_key("P-256")
    header = {"alg": "ES256", "kid": current.kid}
    forged = {
        "another key": jwt.encode(header, good.claims, foreign),
        "unknown kid": jwt.encode({**header, "kid": "unheard-of"}, good.claims, current),
        "no kid": jwt.encode({"alg": "ES256"}, good.claims, current),
        "public key as secret": signed_with_public_key(current, good.claims),
        "no signature": session["access_token"].rpartition(".")[0] + ".",
        "alg none": unsigned({"alg": "none", "kid": current.kid}, good.claims) + ".",
        "another issuer": jwt.encode(header, {**good.claims, "iss": "http://other"}, current),
        "another audience": jwt.encode(header, {**good.claims, "aud": "anon"}, current),
        "another role": jwt.encode(header, {**good.claims, "role": "anon"}, current),
        "no token": "rubbish",
        "the key of the project": "the-anon-key",
    }
    for what, token in forged.items():
        answer = await identity.user({"access_token": token})
        assert (what, answer.status_code, answer.json()["code"]) == (what, 403, "bad_jwt")
    assert (await identity.user(session)).status_code == 200


async def test_a_rotation_invalidates_no_token(identity: Identity) -> None:
    async with Database(PostgresConfig(identity.database_url), identity.metrics) as database:
        rotation = RotateKeys(PostgresSigningKeys(database), new_signing_key, identity.clock)
        session = await identity.sign_up()
        standby = (await private_keys(identity))["standby"].kid
        await identity.clock.advance(900)
        await rotation.rotate()
        assert (await identity.user(session)).status_code == 200
        renewed = (await identity.sign_in()).json()
        assert (await decoded(identity, renewed)).header["kid"] == standby
        await identity.clock.advance(900)
        await rotation.rotate()
        assert (await identity.user(session)).status_code == 200
        published = (await identity.client.get("/.well-known/jwks.json")).json()["keys"]
        assert len(published) == 4


async def test_the_first_keys_survive_a_restart(identity: Identity, fake_clock: FakeClock) -> None:
    before = await private_keys(identity)
    async with Database(PostgresConfig(identity.database_url), identity.metrics) as database:
        await RotateKeys(PostgresSigningKeys(database), new_signing_key, fake_clock).ensure_keys()
    after = await private_keys(identity)
    assert {use: key.kid for use, key in before.items()} == {
        use: key.kid for use, key in after.items()
    }


async def test_no_token_and_no_password_is_stored(identity: Identity) -> None:
    session = await identity.sign_up()
    renewed = (await identity.refresh(session["refresh_token"])).json()
    connection = await asyncpg.connect(identity.database_url)
    stored = [
        str(dict(row))
        for table in ("users", "sessions", "refresh_tokens")
        for row in await connection.fetch(f"SELECT * FROM auth.{table}")
    ]
    await connection.close()
    secrets = ("correct horse", session["refresh_token"], renewed["refresh_token"])
    assert len(stored) == 4
    assert not [secret for secret in secrets for row in stored if secret in row]
    assert "$argon2id$" in stored[0]
