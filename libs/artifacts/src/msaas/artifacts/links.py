"""Links to one file for one verb and for a while, where the store cannot sign by itself."""

import hashlib
import hmac
import time
from collections.abc import Callable
from urllib.parse import parse_qs, quote, urlsplit

_SIZE = 32


class LinkSigner:
    """Whoever has the key can tell a link of ours; nobody else can make one."""

    def __init__(self, key: str, base_url: str, clock: Callable[[], float] = time.time) -> None:
        self._key = hashlib.sha256(key.encode()).digest()
        self._base = base_url.rstrip("/")
        self._clock = clock

    def sign(self, method: str, key: str, seconds: float) -> str:
        expires = int(self._clock() + seconds)
        mark = self._mark(method, key, expires)
        return f"{self._base}/{quote(key)}?expires={expires}&signature={mark}"

    def permits(self, method: str, key: str, query: str) -> bool:
        given = parse_qs(query)
        expires, mark = given.get("expires", [""])[-1], given.get("signature", [""])[-1]
        if not (expires.isascii() and expires.isdigit() and len(expires) < _SIZE):
            return False
        expected = self._mark(method, key, int(expires))
        is_ours = hmac.compare_digest(mark.encode(), expected.encode())
        return is_ours and int(expires) > self._clock()

    @property
    def path(self) -> str:
        """What stands before the file's own path."""
        return f"{urlsplit(self._base).path}/"

    def _mark(self, method: str, key: str, expires: int) -> str:
        said = f"{method}\n{key}\n{expires}".encode()
        return hmac.new(self._key, said, hashlib.sha256).hexdigest()
