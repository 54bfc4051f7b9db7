"""A tutorial of msaas.auth, one idea per test."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from msaas.auth import (
    Authenticator,
    TokenClaims,
    TokenExpired,
    TokenVerifier,
    Unauthenticated,
    UserPrincipal,
)
from msaas.telemetry import Metrics

ISSUER = "https://project.example.com/auth/v1"
KEY = ECKey.generate_key("P-256", {"kid": "one"})
ANN = uuid4()


def sign(**changes: Any) -> str:
    claims = {
        "iss": ISSUER,
        "aud": "authenticated",
        "role": "authenticated",
        "sub": str(ANN),
        "email": "ann@example.com",
        "exp": time.time() + 3600,
        "iat": int(time.time()),
    }
    return jwt.encode({"alg": "ES256", "kid": "one"}, claims | changes, KEY, algorithms=["ES256"])


class Users:
    """The users of an application: the row decides about plan and role, not the token."""

    def __init__(self) -> None:
        self.plan = "FREE"
        self.banned = set[UUID]()

    async def get_principal(self, claims: TokenClaims) -> UserPrincipal:
        if claims.subject in self.banned:
            raise Unauthenticated
        return UserPrincipal(claims.subject, claims.email, self.plan, None, "user")


@pytest.fixture
def users() -> Users:
    return Users()


@pytest.fixture
async def authenticator(users: Users, metrics: Metrics) -> AsyncIterator[Authenticator]:
    async def fetch() -> bytes:
        return json.dumps({"keys": [KEY.as_dict(private=False)]}).encode()

    verifier = TokenVerifier(
        f"{ISSUER}/.well-known/jwks.json", ISSUER, "authenticated", metrics=metrics, fetch=fetch
    )
    yield Authenticator(verifier, users)
    await verifier.close()


async def test_a_signed_token_identifies_its_user(authenticator: Authenticator) -> None:
    identity = await authenticator.authenticate(f"Bearer {sign()}")
    assert (identity.user.id, identity.user.email) == (ANN, "ann@example.com")
    assert identity.expires_at == pytest.approx(time.time() + 3600, abs=5)


@pytest.mark.parametrize(
    "authorization", [None, "Basic YW5u", "Bearer x", f"Bearer {sign(aud='other')}"]
)
async def test_anything_else_is_refused(
    authenticator: Authenticator, authorization: str | None
) -> None:
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(authorization)


async def test_an_expired_token_has_its_own_error(authenticator: Authenticator) -> None:
    with pytest.raises(TokenExpired):
        await authenticator.authenticate(f"Bearer {sign(exp=int(time.time()) - 60)}")


async def test_the_database_overrides_the_token(authenticator: Authenticator, users: Users) -> None:
    users.plan = "PRO"
    token = sign(app_metadata={"plan": "ENTERPRISE"})
    assert (await authenticator.authenticate(f"Bearer {token}")).user.plan == "PRO"


async def test_a_change_of_a_user_is_seen_at_once_after_invalidation(
    authenticator: Authenticator, users: Users
) -> None:
    token = f"Bearer {sign()}"
    await authenticator.authenticate(token)
    users.banned.add(ANN)
    assert (await authenticator.authenticate(token)).user.id == ANN  # cached for a few seconds
    authenticator.invalidate(ANN)
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(token)
