"""Keeps views in Redis for a while; each is loaded once per process, however many ask at once."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Protocol

from msaas.contracts import cache_key
from msaas.kernel import DependencyUnavailable, Overloaded
from msaas.telemetry import Metrics

_AWAY: Final = (DependencyUnavailable, Overloaded)
_JITTER: Final = 0.2
_OF_NOTHING: Final = 5.0
Load = Callable[[], Awaitable[bytes | None]]


class _Redis(Protocol):
    async def run(self, *command: str | int | bytes) -> Any: ...


class RedisViewCache:
    def __init__(
        self, redis: _Redis, environment: str, name: str, *, seconds: float, metrics: Metrics
    ) -> None:
        self._redis = redis
        self._environment = environment
        self._name = name
        self._seconds = seconds
        self._loading: dict[str, asyncio.Task[bytes | None]] = {}
        self._reads = metrics.counter(
            "msaas_cache_reads_total", "Reads of a cache.", labels=("cache", "outcome")
        )

    async def get(self, entry: str, load: Load) -> bytes | None:
        key = cache_key(self._environment, self._name, entry)
        loading = self._loading.get(key)
        if loading is None:
            loading = asyncio.create_task(self._find_or_load(key, load), name="view")
            self._loading[key] = loading
            loading.add_done_callback(lambda _: self._loading.pop(key))
        else:
            self._count("shared")
        # Who goes away takes nothing from those who wait for the same.
        return await asyncio.shield(loading)

    async def _find_or_load(self, key: str, load: Load) -> bytes | None:
        with suppress(*_AWAY):
            [kept] = await self._redis.run("MGET", key)
            if kept is not None:
                self._count("hit")
                return kept or None
        self._count("miss")
        loaded = await load()
        seconds = _OF_NOTHING if loaded is None else self._seconds
        spread = random.uniform(1 - _JITTER, 1)  # noqa: S311 - spreading, not secrecy
        with suppress(*_AWAY):
            await self._redis.run("SET", key, loaded or b"", "PX", round(seconds * spread * 1000))
        return loaded

    def _count(self, outcome: str) -> None:
        self._reads.labels(cache=self._name, outcome=outcome).inc()
