"""The format of API keys: secret scanners find it, and a checksum needs no database.

`msaas_key_`, 43 base-62 digits (256 random bits), and 6 digits of checksum.
"""

import hmac
import zlib
from typing import Final

PREFIX: Final = "msaas_key_"
ENTROPY_BYTES: Final = 32
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ALPHABET: Final = frozenset(_DIGITS)
_SECRET_LENGTH: Final = 43
_CHECKSUM_LENGTH: Final = 6
_LENGTH: Final = len(PREFIX) + _SECRET_LENGTH + _CHECKSUM_LENGTH
_DISPLAY_LENGTH: Final = len(PREFIX) + 6


def build_key(entropy: bytes) -> str:
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"a key is made of {ENTROPY_BYTES} random bytes")
    unchecked = PREFIX + _encode_base62(int.from_bytes(entropy), _SECRET_LENGTH)
    return unchecked + _checksum(unchecked)


def is_well_formed(text: str) -> bool:
    """Check the format and the checksum; the key may still be unknown."""
    if len(text) != _LENGTH or not text.startswith(PREFIX):
        return False
    if not _ALPHABET.issuperset(text[len(PREFIX) :]):
        return False
    return text[-_CHECKSUM_LENGTH:] == _checksum(text[:-_CHECKSUM_LENGTH])


def display_prefix(key: str) -> str:
    """Return what its user may recognise it by: 36 of the 256 bits."""
    return key[:_DISPLAY_LENGTH]


def hash_key(pepper: bytes, key: str) -> bytes:
    """Return the stored hash. It is fast: 256 random bits cannot be guessed."""
    return hmac.digest(pepper, key.encode(), "sha256")


def _checksum(text: str) -> str:
    return _encode_base62(zlib.crc32(text.encode()), _CHECKSUM_LENGTH)


def _encode_base62(number: int, length: int) -> str:
    digits: list[str] = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
