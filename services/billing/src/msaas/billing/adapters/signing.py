"""The key that signs proofs of invoices, as the port `Signer`."""

import hashlib
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEY_ID_LENGTH: Final = 16


class Ed25519Signer:
    """Built from 32 secret bytes, written in hexadecimal."""

    def __init__(self, secret: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public_key: Final = public.hex()
        self.key_id: Final = hashlib.sha256(public).hexdigest()[:KEY_ID_LENGTH]

    def sign(self, content: bytes) -> bytes:
        return self._key.sign(content)
