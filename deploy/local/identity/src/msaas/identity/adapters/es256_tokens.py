"""Access tokens signed with ES256, and the public half of the keys that sign them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import ECKey, KeySet

from msaas.identity.application.ports import SigningKeys
from msaas.identity.domain.errors import BadJwt
from msaas.identity.domain.sessions import AUDIENCE, ROLE
from msaas.identity.domain.signing_keys import KeyUse, SigningKey
from msaas.kernel import Clock

_ALGORITHM: Final = "ES256"
_CURVE: Final = "P-256"


def new_signing_key(use: KeyUse, now: datetime) -> SigningKey:
    key = ECKey.generate_key(_CURVE)
    jwk = orjson.dumps(key.as_dict(private=True)).decode()
    return SigningKey(kid=key.thumbprint(), use=use, since=now, jwk=jwk)


def public_jwk(key: SigningKey) -> dict[str, Any]:
    public = ECKey.import_key(orjson.loads(key.jwk)).as_dict(private=False)
    return {**public, "kid": key.kid, "alg": _ALGORITHM, "use": "sig", "key_ops": ["verify"]}


class Es256Tokens:
    """Reads the keys for each token, so that a rotation takes effect at once."""

    def __init__(self, keys: SigningKeys, issuer: str, clock: Clock) -> None:
        self._keys = keys
        self._claims: Callable[[], jwt.JWTClaimsRegistry] = lambda: jwt.JWTClaimsRegistry(
            now=int(clock.now().timestamp()),
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": AUDIENCE},
            role={"essential": True, "value": ROLE},
            exp={"essential": True},
            session_id={"essential": True},
        )

    async def sign(self, claims: Mapping[str, Any]) -> str:
        current = next(key for key in await self._keys.list() if key.use is KeyUse.CURRENT)
        header = {"alg": _ALGORITHM, "kid": current.kid, "typ": "JWT"}
        private = ECKey.import_key(orjson.loads(current.jwk))
        return jwt.encode(header, dict(claims), private, algorithms=[_ALGORITHM])

    async def verify(self, token: str) -> Mapping[str, Any]:
        known = KeySet.import_key_set({"keys": await self.list_published()})
        try:
            decoded = jwt.decode(token, known, algorithms=[_ALGORITHM])
            self._claims().validate(decoded.claims)
        except ExpiredTokenError as error:
            raise BadJwt(f"{BadJwt.default_message}: token is expired") from error
        except (JoseError, ValueError) as error:
            raise BadJwt from error
        return decoded.claims

    async def list_published(self) -> list[dict[str, Any]]:
        return [public_jwk(key) for key in await self._keys.list()]
