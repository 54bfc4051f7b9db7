"""Published keys, read with suspicion: a set that lies in one key is believed in none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import base64_to_int

from msaas.kernel import DependencyUnavailable

MOST_BYTES: Final = 64 * 1024
MOST_KEYS: Final = 20
MOST_KID: Final = 200
RSA_BITS: Final = range(2048, 4096 + 1)

_SECRET_FIELDS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_ALGORITHMS_OF_KIND: Final = {"EC": ("ES", "ECDH"), "RSA": ("RS", "PS")}
_PUBLIC_FIELDS: Final = {"ES256": ("kty", "crv", "x", "y"), "RS256": ("kty", "n", "e")}


class KeySetRefused(DependencyUnavailable):
    """The document is no honest set of public keys."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key with the one algorithm that it is good for."""

    kid: str
    algorithm: str
    thumbprint: str
    key: ECKey | RSAKey


def parse_key_set(body: bytes) -> dict[str, VerifyingKey]:
    """Return the signing keys by id; honest keys of a kind that is not ours are passed over."""
    keys: dict[str, VerifyingKey] = {}
    kids: set[str] = set()
    for fields in _list_keys(body):
        kid = _kid_of(fields)
        if kid in kids:
            raise KeySetRefused("two keys under one id")
        kids.add(kid)
        if algorithm := _algorithm_of(fields):
            keys[kid] = _import(kid, algorithm, fields)
    if not keys:
        raise KeySetRefused("no key that can be used")
    return keys


def _list_keys(body: bytes) -> list[dict[str, Any]]:
    if len(body) > MOST_BYTES:
        raise KeySetRefused("too large")
    try:
        document: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise KeySetRefused("no JSON") from None
    listed = cast("dict[str, object]", document).get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(cast("list[object]", listed)) > MOST_KEYS:
        raise KeySetRefused("no list of a few keys")
    if not all(isinstance(one, dict) for one in cast("list[object]", listed)):
        raise KeySetRefused("a key is no object")
    return cast("list[dict[str, Any]]", listed)


def _kid_of(fields: Mapping[str, Any]) -> str:
    kid = fields.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= MOST_KID:
        raise KeySetRefused("a key without an id")
    return kid


def _algorithm_of(fields: Mapping[str, Any]) -> str | None:
    """Tell by its kind what a key is good for; what it calls itself must agree."""
    kind = fields.get("kty")
    if kind == "oct" or _SECRET_FIELDS & fields.keys():
        raise KeySetRefused("a key that must never be published")
    families = _ALGORITHMS_OF_KIND.get(str(kind))
    named = fields.get("alg")
    if families and named is not None and not str(named).startswith(families):
        raise KeySetRefused("a key of one kind under the algorithm of another")
    fitting = {"RSA": "RS256", "EC": "ES256" if fields.get("crv") == "P-256" else None}
    algorithm = fitting.get(str(kind))
    usable = named in (None, algorithm) and fields.get("use", "sig") == "sig"
    return algorithm if usable else None


def _import(kid: str, algorithm: str, fields: Mapping[str, Any]) -> VerifyingKey:
    kind = ECKey if algorithm == "ES256" else RSAKey
    try:
        if kind is RSAKey and base64_to_int(fields["n"]).bit_length() not in RSA_BITS:
            raise KeySetRefused("a key of a size that is not used")
        key = kind.import_key({name: fields[name] for name in _PUBLIC_FIELDS[algorithm]})
        return VerifyingKey(kid, algorithm, key.thumbprint(), key)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise KeySetRefused("a key that cannot be read") from None
