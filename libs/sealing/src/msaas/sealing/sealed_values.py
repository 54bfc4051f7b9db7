"""Seals values with a public key; the private key unseals them in the context they are bound to.

An ephemeral X25519 key and HKDF-SHA256 give each seal an AES-256-GCM key of its own; key id,
ephemeral key and context are authenticated with the value.
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

from msaas.sealing.errors import InvalidSeal, UnknownSealingKey
from msaas.sealing.keys import PrivateKey, PublicKey

SEALED_KEY: Final = "$sealed"
_VERSION: Final = "v1"
_KEY_SIZE: Final = 32
# Each key encrypts one value, so a constant nonce is safe.
_ZERO_NONCE: Final = bytes(12)


def is_sealed(value: object) -> TypeGuard[dict[str, str]]:
    if not isinstance(value, dict):
        return False
    fields = cast("dict[object, object]", value)
    return fields.keys() == {SEALED_KEY} and isinstance(fields[SEALED_KEY], str)


class Sealer:
    def __init__(self, key: PublicKey) -> None:
        self._key = key

    def seal(self, value: Any, *context: str) -> dict[str, str]:
        """Return a sealed value that can be stored and passed on instead."""
        ephemeral_key = X25519PrivateKey.generate()
        ephemeral_public = ephemeral_key.public_key().public_bytes_raw()
        header = f"{_VERSION}.{self._key.id}"
        cipher = _derive_cipher(self._key.exchange(ephemeral_key), ephemeral_public + self._key.raw)
        ciphertext = cipher.encrypt(
            _ZERO_NONCE,
            orjson.dumps(value),
            _build_associated_data(header, ephemeral_public, context),
        )
        encoded = base64.urlsafe_b64encode(ephemeral_public + ciphertext).decode()
        return {SEALED_KEY: f"{header}.{encoded}"}


class Unsealer:
    """Has the current key and earlier ones, for which sealed values may still exist."""

    def __init__(self, keys: Sequence[PrivateKey]) -> None:
        self._keys = {key.public.id: key for key in keys}

    def unseal(self, sealed: dict[str, str], *context: str) -> Any:
        version, key_id, body = _parse_sealed(sealed[SEALED_KEY])
        key = self._keys.get(key_id)
        if version != _VERSION or key is None:
            raise UnknownSealingKey(key_id=key_id)
        ephemeral_public, ciphertext = body[:_KEY_SIZE], body[_KEY_SIZE:]
        associated_data = _build_associated_data(f"{version}.{key_id}", ephemeral_public, context)
        try:
            shared = key.exchange(ephemeral_public)
            cipher = _derive_cipher(shared, ephemeral_public + key.public.raw)
            return orjson.loads(cipher.decrypt(_ZERO_NONCE, ciphertext, associated_data))
        except (InvalidTag, ValueError):
            # ValueError: an ephemeral key of low order, or no JSON inside.
            raise InvalidSeal from None


def _parse_sealed(text: str) -> tuple[str, str, bytes]:
    version, _, rest = text.partition(".")
    key_id, _, body = rest.partition(".")
    try:
        raw = base64.b64decode(body, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidSeal from None
    if len(raw) <= _KEY_SIZE:
        raise InvalidSeal
    return version, key_id, raw


def _derive_cipher(shared: bytes, info: bytes) -> AESGCM:
    kdf = HKDF(algorithm=SHA256(), length=_KEY_SIZE, salt=None, info=b"msaas.sealing " + info)
    return AESGCM(kdf.derive(shared))


def _build_associated_data(header: str, ephemeral: bytes, context: Sequence[str]) -> bytes:
    """Encode the parts without ambiguity: different lists give different bytes."""
    return ephemeral + orjson.dumps([header, *context])
