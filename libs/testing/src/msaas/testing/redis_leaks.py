"""Finds what a test has left in Redis under its environment, then removes it."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, cast

import redis

from msaas.contracts import PERMANENT_KEYS

_NO_TTL = -1


# redis-py leaves much of its own surface untyped.
_Redis: Any = redis.Redis


class RedisLeaks:
    """The keys of one environment: `msaas:{environment}:…`."""

    def __init__(self, url: str, environment: str) -> None:
        self._client: Any = _Redis.from_url(url, decode_responses=True)
        self._pattern = f"msaas:{environment}:*"

    def list_keys_without_ttl(self) -> list[str]:
        """Return keys without TTL that no pattern lists as permanent."""
        return [
            key
            for key in self._keys()
            if self._client.ttl(key) == _NO_TTL and not _is_permanent(key)
        ]

    def list_pending(self) -> list[str]:
        """Return entries that were read and not acknowledged, as "stream group: count"."""
        return [
            f"{key} {group['name']}: {group['pending']}"
            for key in self._keys("stream")
            for group in cast("list[dict[str, Any]]", self._client.xinfo_groups(key))
            if group["pending"]
        ]

    def remove(self) -> None:
        for key in self._keys():
            self._client.unlink(key)
        self._client.close()

    def _keys(self, kind: str | None = None) -> Iterator[str]:
        return self._client.scan_iter(match=self._pattern, count=1000, _type=kind)


def _is_permanent(key: str) -> bool:
    return any(fnmatchcase(key, pattern) for pattern in PERMANENT_KEYS)
