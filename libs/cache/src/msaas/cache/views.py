"""Answers that are worth keeping for a while, each made once however many ask for it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final
from uuid import uuid4

import orjson

from msaas.cache.redis_store import RedisStore
from msaas.contracts import cache_key
from msaas.kernel import DependencyUnavailable, Overloaded
from msaas.telemetry import Metrics

_AWAY: Final = (DependencyUnavailable, Overloaded)
_JITTER: Final = 0.2
_TAGS: Final = "tag"
Load = Callable[[], Awaitable[bytes | None]]
Stamps = tuple[str, ...] | None
_Place = tuple[str, Stamps]


class ViewCache:
    """Keeps what `load` answers; None is kept too, for a shorter while.

    A value carries the stamps that its tags had before it was loaded, and counts as long as they
    are still the same: what was loaded while its tag was invalidated is never shown again.
    """

    def __init__(
        self,
        store: RedisStore,
        environment: str,
        name: str,
        *,
        seconds: float,
        seconds_of_nothing: float = 5.0,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._environment = environment
        self._name = name
        self._seconds = seconds
        self._seconds_of_nothing = seconds_of_nothing
        self._loading: dict[_Place, asyncio.Task[bytes | None]] = {}
        self._reads = metrics.counter(
            "msaas_cache_reads_total", "Reads of a cache.", ("cache", "outcome")
        )

    async def get(self, entry: str, load: Load, tags: Sequence[str] = ()) -> bytes | None:
        """Answer from the cache, or load; all of a process share a load under the same stamps."""
        stamps: Stamps = None  # as long as Redis is away, which keeps nobody from loading
        with suppress(*_AWAY):
            stamps, kept = await self._read(entry, tags)
            if kept is not None:
                self._count("hit")
                return kept or None
        loading = self._loading.get((entry, stamps))
        self._count("miss" if loading is None else "shared")
        if loading is None:
            loading = asyncio.create_task(self._load((entry, stamps), load), name="view-load")
            self._loading[entry, stamps] = loading
        return await asyncio.shield(loading)

    async def invalidate(self, *tags: str) -> None:
        """Have every value with one of these tags loaded anew."""
        for tag in tags:
            # Outlives whatever was loaded under the stamp before.
            await self._store.ask("SET", self._tag(tag), uuid4().hex, "PX", _ms(2 * self._longest))

    async def _read(self, entry: str, tags: Sequence[str]) -> tuple[tuple[str, ...], bytes | None]:
        """Answer the tags' stamps, and the value if it has the same; empty stands for nothing."""
        value, *found = await self._store.ask(
            "MGET", self._key(entry), *(self._tag(tag) for tag in tags)
        )
        stamps = tuple(stamp.decode() if stamp else "" for stamp in found)
        if value is None:
            return stamps, None
        head, _, body = value.partition(b"\n")
        return stamps, body if tuple(orjson.loads(head)) == stamps else None

    async def _load(self, place: _Place, load: Load) -> bytes | None:
        entry, stamps = place
        try:
            loaded = await load()
            if stamps is not None:
                with suppress(*_AWAY):
                    await self._keep(entry, loaded or b"", stamps)
            return loaded
        finally:
            del self._loading[place]

    async def _keep(self, entry: str, body: bytes, stamps: Sequence[str]) -> None:
        seconds = self._seconds if body else self._seconds_of_nothing
        spread = random.uniform(1 - _JITTER, 1)  # noqa: S311  # spreading, not secrecy
        value = orjson.dumps(stamps) + b"\n" + body
        await self._store.ask("SET", self._key(entry), value, "PX", _ms(seconds * spread))

    @property
    def _longest(self) -> float:
        return max(self._seconds, self._seconds_of_nothing)

    def _key(self, entry: str) -> str:
        return cache_key(self._environment, self._name, entry)

    def _tag(self, tag: str) -> str:
        return cache_key(self._environment, _TAGS, f"{self._name}:{tag}")

    def _count(self, outcome: str) -> None:
        self._reads.labels(self._name, outcome).inc()


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
