"""Answers that are worth keeping for a while, each made once however many ask for it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from msaas.cache.redis_store import RedisStore
from msaas.contracts import cache_key
from msaas.kernel import DependencyUnavailable, Overloaded, to_milliseconds
from msaas.telemetry import Metrics

_UNAVAILABLE: Final = (DependencyUnavailable, Overloaded)
_JITTER: Final = 0.2
Loader = Callable[[], Awaitable[bytes | None]]


class RedisViewCache:
    """Keeps what `load` answers; None is kept too, for a shorter while.

    Nothing is ever invalidated: an entry whose content may change names the state that it is of.
    """

    def __init__(
        self,
        store: RedisStore,
        environment: str,
        name: str,
        *,
        ttl_seconds: float,
        empty_ttl_seconds: float = 5.0,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._environment = environment
        self._name = name
        self._ttl_seconds = ttl_seconds
        self._empty_ttl_seconds = empty_ttl_seconds
        self._loading: dict[str, asyncio.Task[bytes | None]] = {}
        self._reads = metrics.counter(
            "msaas_cache_reads_total", "Reads of a cache.", ("cache", "outcome")
        )

    async def get(self, entry: str, load: Loader) -> bytes | None:
        """Answer from the cache, or load; all of a process who ask meanwhile share the load."""
        with suppress(*_UNAVAILABLE):  # which keeps nobody from loading
            cached = await self._store.execute_command("GET", self._key(entry))
            if cached is not None:
                self._count("hit")
                return cached or None
        loading = self._loading.get(entry)
        self._count("miss" if loading is None else "shared")
        if loading is None:
            loading = asyncio.create_task(self._load(entry, load), name="view-load")
            self._loading[entry] = loading
        return await asyncio.shield(loading)

    async def _load(self, entry: str, load: Loader) -> bytes | None:
        try:
            loaded = await load()
            with suppress(*_UNAVAILABLE):
                await self._store_entry(entry, loaded or b"")
            return loaded
        finally:
            del self._loading[entry]

    async def _store_entry(self, entry: str, body: bytes) -> None:
        """Keep it; nothing at all stands for None."""
        seconds = self._ttl_seconds if body else self._empty_ttl_seconds
        spread = random.uniform(1 - _JITTER, 1)  # noqa: S311  # spreading, not secrecy
        await self._store.execute_command(
            "SET", self._key(entry), body, "PX", to_milliseconds(seconds * spread)
        )

    def _key(self, entry: str) -> str:
        return cache_key(self._environment, self._name, entry)

    def _count(self, outcome: str) -> None:
        self._reads.labels(self._name, outcome).inc()
