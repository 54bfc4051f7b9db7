"""A pair of X25519 keys, each written as one line: its id, a colon, 32 bytes in base64url."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Never, Self

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from msaas.sealing.errors import InvalidSealingKey

_SIZE = 32


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The key that seals values."""

    raw: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        key = cls(_decode(text))
        return key if key.id == text.partition(":")[0] else _raise_invalid()

    @property
    def id(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()[:8]

    def __str__(self) -> str:
        return f"{self.id}:{_encode(self.raw)}"

    def exchange(self, private_key: X25519PrivateKey) -> bytes:
        return private_key.exchange(X25519PublicKey.from_public_bytes(self.raw))


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """The key that unseals values; it has the id of its public key."""

    raw: bytes

    @classmethod
    def generate(cls) -> Self:
        return cls(X25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> Self:
        key = cls(_decode(text))
        return key if key.public.id == text.partition(":")[0] else _raise_invalid()

    @property
    def public(self) -> PublicKey:
        key = X25519PrivateKey.from_private_bytes(self.raw)
        return PublicKey(key.public_key().public_bytes_raw())

    def export(self) -> str:
        """Return the secret text for the owner's setting."""
        return f"{self.public.id}:{_encode(self.raw)}"

    def __repr__(self) -> str:
        return f"PrivateKey({self.public.id})"

    def exchange(self, peer_public: bytes) -> bytes:
        own = X25519PrivateKey.from_private_bytes(self.raw)
        return own.exchange(X25519PublicKey.from_public_bytes(peer_public))


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes:
    body = text.partition(":")[2]
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidSealingKey from None
    return raw if len(raw) == _SIZE else _raise_invalid()


def _raise_invalid() -> Never:
    raise InvalidSealingKey
