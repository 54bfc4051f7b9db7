"""Sealing a value for the holder of a private key, who opens it at the place that it is bound to.

An ephemeral X25519 key and HKDF-SHA256 give each seal an AES-256-GCM key of its own; key id,
ephemeral key and place are authenticated with the value.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final, TypeGuard, cast

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from msaas.sealing.errors import SealBroken, SealUnreadable
from msaas.sealing.keys import PrivateKey, PublicKey

MARK: Final = "$sealed"
_VERSION: Final = "v1"
_KEY_SIZE: Final = 32
# Each key is used for one value, so that it needs no nonce of its own.
_NONCE: Final = bytes(12)


def is_sealed(value: object) -> TypeGuard[dict[str, str]]:
    if not isinstance(value, dict):
        return False
    given = cast("dict[object, object]", value)
    return given.keys() == {MARK} and isinstance(given[MARK], str)


class Sealer:
    def __init__(self, key: PublicKey) -> None:
        self._key = key

    def seal(self, value: Any, *place: str) -> dict[str, str]:
        """Return what may be kept and passed on in the value's place."""
        own = X25519PrivateKey.generate()
        ours = own.public_key().public_bytes_raw()
        head = f"{_VERSION}.{self._key.id}"
        cipher = _cipher(self._key.exchange(own), ours + self._key.raw)
        box = cipher.encrypt(_NONCE, orjson.dumps(value), _bind(head, ours, place))
        return {MARK: f"{head}.{base64.urlsafe_b64encode(ours + box).decode()}"}


class Opener:
    """Knows the present key and those before it, which have values waiting."""

    def __init__(self, keys: Sequence[PrivateKey]) -> None:
        self._keys = {key.public.id: key for key in keys}

    def open(self, sealed: dict[str, str], *place: str) -> Any:
        version, key_id, body = _split(sealed[MARK])
        key = self._keys.get(key_id)
        if version != _VERSION or key is None:
            raise SealUnreadable(key_id=key_id)
        theirs, box = body[:_KEY_SIZE], body[_KEY_SIZE:]
        cipher = _cipher(key.exchange(theirs), theirs + key.public.raw)
        try:
            opened = cipher.decrypt(_NONCE, box, _bind(f"{version}.{key_id}", theirs, place))
        except InvalidTag:
            raise SealBroken from None
        return orjson.loads(opened)


def _split(text: str) -> tuple[str, str, bytes]:
    version, _, rest = text.partition(".")
    key_id, _, body = rest.partition(".")
    try:
        raw = base64.b64decode(body, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise SealBroken from None
    if len(raw) <= _KEY_SIZE:
        raise SealBroken
    return version, key_id, raw


def _cipher(shared: bytes, info: bytes) -> AESGCM:
    kdf = HKDF(algorithm=SHA256(), length=_KEY_SIZE, salt=None, info=b"msaas.sealing " + info)
    return AESGCM(kdf.derive(shared))


def _bind(head: str, ephemeral: bytes, place: Sequence[str]) -> bytes:
    """Write the parts down so that no two lists of them read alike."""
    return ephemeral + orjson.dumps([head, *place])
