"""Verifies the signature of a webhook of Stripe over its raw body."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final

TOLERANCE_SECONDS: Final = 300
_HEADER_LIMIT: Final = 4_000
_TIME: Final = re.compile(r"[0-9]{1,12}")
_SCHEME: Final = "v1"


def is_signed(body: bytes, header: str | None, secrets: Sequence[str], now: float) -> bool:
    """Return whether any secret has signed the body within the tolerance before or after now.

    While a secret is rotated, Stripe signs with both and two secrets are configured: one match is
    enough. Every comparison takes the same time, whatever the header holds.
    """
    if header is None or len(header) > _HEADER_LIMIT or not header.isascii():
        return False
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not _TIME.fullmatch(times[0]):
        return False
    if abs(now - int(times[0])) > TOLERANCE_SECONDS:
        return False
    given = [value for name, _, value in parts if name == _SCHEME]
    signed = times[0].encode() + b"." + body
    expected = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    matches = [hmac.compare_digest(digest, other) for digest in expected for other in given]
    return any(matches)
