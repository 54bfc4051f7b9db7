"""Parses published keys; a set with one invalid key is refused as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import base64_to_int

from msaas.kernel import DependencyUnavailable

MAX_BYTES: Final = 64 * 1024
MAX_KEYS: Final = 20
MAX_KID_LENGTH: Final = 200
RSA_BITS: Final = range(2048, 4096 + 1)

_SECRET_FIELDS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_ALGORITHM_FAMILIES: Final = {"EC": ("ES", "ECDH"), "RSA": ("RS", "PS")}
_PUBLIC_FIELDS: Final = {"ES256": ("kty", "crv", "x", "y"), "RS256": ("kty", "n", "e")}


class InvalidJwks(DependencyUnavailable):
    """The document is not a valid set of public keys."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key and its algorithm."""

    kid: str
    algorithm: str
    thumbprint: str
    key: ECKey | RSAKey


def parse_jwks(body: bytes) -> dict[str, VerificationKey]:
    """Return the signing keys by id; valid keys of unsupported types are skipped."""
    keys: dict[str, VerificationKey] = {}
    kids: set[str] = set()
    for fields in _list_keys(body):
        kid = _get_kid(fields)
        if kid in kids:
            raise InvalidJwks("two keys under one id")
        kids.add(kid)
        if algorithm := _find_algorithm(fields):
            keys[kid] = _import_key(kid, algorithm, fields)
    if not keys:
        raise InvalidJwks("no key that can be used")
    return keys


def _list_keys(body: bytes) -> list[dict[str, Any]]:
    if len(body) > MAX_BYTES:
        raise InvalidJwks("too large")
    try:
        document: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidJwks("no JSON") from None
    listed = cast("dict[str, object]", document).get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(cast("list[object]", listed)) > MAX_KEYS:
        raise InvalidJwks("no list of a few keys")
    if not all(isinstance(key, dict) for key in cast("list[object]", listed)):
        raise InvalidJwks("a key is no object")
    return cast("list[dict[str, Any]]", listed)


def _get_kid(fields: Mapping[str, Any]) -> str:
    kid = fields.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID_LENGTH:
        raise InvalidJwks("a key without an id")
    return kid


def _find_algorithm(fields: Mapping[str, Any]) -> str | None:
    """Derive the algorithm from the type of the key; its declared algorithm must agree."""
    kind = fields.get("kty")
    if kind == "oct" or _SECRET_FIELDS & fields.keys():
        raise InvalidJwks("a key that must never be published")
    families = _ALGORITHM_FAMILIES.get(str(kind))
    named = fields.get("alg")
    if families and named is not None and not str(named).startswith(families):
        raise InvalidJwks("a key of one kind under the algorithm of another")
    fitting = {"RSA": "RS256", "EC": "ES256" if fields.get("crv") == "P-256" else None}
    algorithm = fitting.get(str(kind))
    usable = named in (None, algorithm) and fields.get("use", "sig") == "sig"
    return algorithm if usable else None


def _import_key(kid: str, algorithm: str, fields: Mapping[str, Any]) -> VerificationKey:
    kind = ECKey if algorithm == "ES256" else RSAKey
    try:
        if kind is RSAKey and base64_to_int(fields["n"]).bit_length() not in RSA_BITS:
            raise InvalidJwks("a key of a size that is not used")
        key = kind.import_key({name: fields[name] for name in _PUBLIC_FIELDS[algorithm]})
        return VerificationKey(kid, algorithm, key.thumbprint(), key)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise InvalidJwks("a key that cannot be read") from None
