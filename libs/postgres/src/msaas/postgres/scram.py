"""The SCRAM-SHA-256 verifier of a password: what Postgres stores, computed here.

A statement with a clear password shows it in the server's logs and statistics.
"""

import hmac
import secrets
import stringprep
import unicodedata
from base64 import b64encode
from hashlib import pbkdf2_hmac, sha256
from typing import Final

_ITERATIONS: Final = 4096  # Postgres's own; the passwords are random
_SALT_BYTES: Final = 16
_PROHIBITED: Final = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def build_verifier(password: str, salt: bytes | None = None) -> str:
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    salted = pbkdf2_hmac("sha256", _normalize(password).encode(), salt, _ITERATIONS)
    stored_key = sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    keys = f"{_encode(stored_key)}:{_encode(server_key)}"
    return f"SCRAM-SHA-256${_ITERATIONS}:{_encode(salt)}${keys}"


def _normalize(password: str) -> str:
    """Apply SASLprep as Postgres and its clients do: what it prohibits is used as it is."""
    if password.isascii():
        return password
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in password
        if not stringprep.in_table_b1(character)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    is_prohibited = any(table(character) for character in prepared for table in _PROHIBITED)
    return password if is_prohibited or not prepared else prepared


def _encode(value: bytes) -> str:
    return b64encode(value).decode("ascii")
