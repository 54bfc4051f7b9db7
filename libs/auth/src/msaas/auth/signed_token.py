"""Parses a token and checks its signature before its claims are read."""

from dataclasses import dataclass
from typing import Any, Final, cast

import orjson
from joserfc import jws
from joserfc.errors import JoseError

from msaas.auth.errors import Unauthenticated
from msaas.auth.jwks import VerificationKey

_ALGORITHMS: Final = ("ES256", "RS256")
# These headers let a token name its own key or extensions.
_FORBIDDEN_HEADERS: Final = frozenset(
    {"jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "crit", "b64"}
)


@dataclass(frozen=True, slots=True)
class SignedToken:
    kid: str
    algorithm: str
    signed: jws.CompactSignature


def read_token(token: bytes) -> SignedToken:
    try:
        signed = jws.extract_compact(token)
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError):
        raise Unauthenticated from None
    header = cast("object", signed.protected)
    if not isinstance(header, dict):
        raise Unauthenticated
    fields = cast("dict[str, Any]", header)
    kid, algorithm = fields.get("kid"), fields.get("alg")
    if (
        algorithm not in _ALGORITHMS
        or not isinstance(kid, str)
        or _FORBIDDEN_HEADERS & fields.keys()
    ):
        raise Unauthenticated
    return SignedToken(kid, algorithm, signed)


def verify_signature(token: SignedToken, key: VerificationKey) -> dict[str, Any]:
    """Return the claims if the signature is valid."""
    if token.algorithm != key.algorithm:
        raise Unauthenticated
    try:
        valid = jws.validate_compact(token.signed, key.key, [key.algorithm])
        claims: object = orjson.loads(token.signed.payload) if valid else None
    except (JoseError, ValueError, TypeError):
        raise Unauthenticated from None
    if not isinstance(claims, dict):
        raise Unauthenticated
    return cast("dict[str, Any]", claims)
