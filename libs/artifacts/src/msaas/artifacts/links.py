"""Signed links to one file, for one method and a limited time."""

import hashlib
import hmac
import time
from collections.abc import Callable
from urllib.parse import parse_qs, quote, urlsplit

_MAX_EXPIRES_LENGTH = 32


class LinkSigner:
    """Signs and verifies links with one key."""

    def __init__(self, key: str, base_url: str, clock: Callable[[], float] = time.time) -> None:
        if not key:
            raise ValueError("links need a key: without one everybody could sign them")
        self._key = hashlib.sha256(key.encode()).digest()
        self._base_url = base_url.rstrip("/")
        self._clock = clock

    def sign(self, method: str, key: str, seconds: float) -> str:
        expires = int(self._clock() + seconds)
        signature = self._sign(method, key, expires)
        return f"{self._base_url}/{quote(key)}?expires={expires}&signature={signature}"

    def verify(self, method: str, key: str, query: str) -> bool:
        parameters = parse_qs(query)
        expires, signature = (
            parameters.get("expires", [""])[-1],
            parameters.get("signature", [""])[-1],
        )
        if not (expires.isascii() and expires.isdigit() and len(expires) < _MAX_EXPIRES_LENGTH):
            return False
        expected = self._sign(method, key, int(expires))
        is_signed = hmac.compare_digest(signature.encode(), expected.encode())
        return is_signed and int(expires) > self._clock()

    @property
    def base_path(self) -> str:
        """Return the prefix of the URL path before the file's key."""
        return f"{urlsplit(self._base_url).path}/"

    def _sign(self, method: str, key: str, expires: int) -> str:
        payload = f"{method}\n{key}\n{expires}".encode()
        return hmac.new(self._key, payload, hashlib.sha256).hexdigest()
