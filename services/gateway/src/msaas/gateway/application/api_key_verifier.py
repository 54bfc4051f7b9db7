"""Verifies API keys; a verified key is cached for a few seconds."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from msaas.auth import Unauthenticated, UserPrincipal
from msaas.gateway.application.failed_key_checks import FailedKeyChecks
from msaas.gateway.application.key_ports import KeyHolder, KeyLookup
from msaas.gateway.domain.api_keys import PREFIX, hash_key, is_well_formed
from msaas.kernel import Clock, MsaasError, SystemClock
from msaas.telemetry import Metrics

CACHE_TTL_SECONDS: Final = 5.0
MAX_CACHED_KEYS: Final = 10_000
MAX_CACHED_REFUSALS: Final = 1_000
# Look-ups at once of keys that were never seen; those of known keys are not counted.
MAX_UNKNOWN_LOOKUPS: Final = 16
# A client with a key that does not expire has to reconnect its stream this often.
MAX_STREAM_SECONDS: Final = 3_600.0


Value = TypeVar("Value")


class _CachedKey(NamedTuple):
    holder: KeyHolder
    cached_until: float


class ApiKeyVerifier:
    """Reads a key from the database every few seconds; a revoked key works for that long.

    While the database is unavailable, every uncached key is refused. The first pepper hashes new
    keys; all peppers find existing ones.
    """

    def __init__(
        self,
        keys: KeyLookup,
        peppers: Sequence[bytes],
        *,
        metrics: Metrics,
        clock: Clock | None = None,
    ) -> None:
        self._keys = keys
        self._peppers = peppers
        self._clock = clock or SystemClock()
        self._cached: OrderedDict[bytes, _CachedKey] = OrderedDict()
        # Separate from valid keys, so that many invalid ones do not evict them.
        self._refused: OrderedDict[bytes, float] = OrderedDict()
        self._last_used: dict[UUID, datetime] = {}
        self._failed = FailedKeyChecks()
        self._unknown_lookups = asyncio.Semaphore(MAX_UNKNOWN_LOOKUPS)
        self._changes = 0
        self._total = metrics.counter(
            "msaas_api_key_validation_total", "Checks of API keys.", ("result",)
        )

    def is_api_key(self, credential: str) -> bool:
        return credential.startswith(PREFIX)

    async def get_principal(
        self, key: str, address: str | None = None
    ) -> tuple[UserPrincipal, float]:
        try:
            holder = await self._find_holder(key, address)
        except MsaasError as error:
            self._total.labels(error.code).inc()
            raise
        self._total.labels("ok").inc()
        now = self._clock.now()
        if holder.principal.api_key is not None:
            self._last_used[holder.principal.api_key.id] = now
        end = holder.expires_at.timestamp() if holder.expires_at else now.timestamp()
        return holder.principal, end if holder.expires_at else end + MAX_STREAM_SECONDS

    def forget(self, key_id: UUID) -> None:
        """Drop the key from the cache: it has changed."""
        self._forget(lambda user: user.api_key is not None and user.api_key.id == key_id)

    def forget_user(self, user_id: UUID) -> None:
        self._forget(lambda user: user.id == user_id)

    def _forget(self, is_changed: Callable[[UserPrincipal], bool]) -> None:
        self._changes += 1
        for digest, cached in list(self._cached.items()):
            if is_changed(cached.holder.principal):
                del self._cached[digest]

    async def flush_last_used(self) -> None:
        """Store which keys were used since the last call; a failed write is repeated next time."""
        used, self._last_used = self._last_used, {}
        try:
            if used:
                await self._keys.mark_used(used)
        except MsaasError:
            self._last_used = used | self._last_used
            raise

    async def _find_holder(self, key: str, address: str | None) -> KeyHolder:
        if not is_well_formed(key):
            raise Unauthenticated
        digest = hash_key(self._peppers[0], key)
        now = self._clock.monotonic()
        if (cached := self._cached.get(digest)) is not None and now < cached.cached_until:
            return self._ensure_not_expired(cached.holder)
        if self._refused.get(digest, now) > now:
            raise Unauthenticated
        if cached is not None:  # good a while ago: whoever shares its address cannot lock it out
            return await self._look_up(digest, key)
        return await self._look_up_unknown(digest, key, address)

    async def _look_up_unknown(self, digest: bytes, key: str, address: str | None) -> KeyHolder:
        async with self._unknown_lookups:  # the request's own timeout ends the wait
            if address is not None:
                self._failed.require_left(address, self._clock.monotonic())
            try:
                return await self._look_up(digest, key)
            except Unauthenticated:
                if address is not None:
                    self._failed.count(address, self._clock.monotonic())
                raise

    def _ensure_not_expired(self, holder: KeyHolder) -> KeyHolder:
        if holder.expires_at is not None and holder.expires_at <= self._clock.now():
            raise Unauthenticated
        return holder

    async def _look_up(self, digest: bytes, key: str) -> KeyHolder:
        before = self._changes
        older = [hash_key(pepper, key) for pepper in self._peppers[1:]]
        holder = await self._keys.find_holder([digest, *older])
        until = self._clock.monotonic() + CACHE_TTL_SECONDS
        if holder is None:
            _put_bounded(self._refused, digest, until, MAX_CACHED_REFUSALS)
            raise Unauthenticated
        if self._changes == before:  # otherwise this may be the old key
            _put_bounded(self._cached, digest, _CachedKey(holder, until), MAX_CACHED_KEYS)
        return self._ensure_not_expired(holder)


def _put_bounded(
    cache: OrderedDict[bytes, Value], digest: bytes, value: Value, max_size: int
) -> None:
    cache[digest] = value
    cache.move_to_end(digest)
    if len(cache) > max_size:
        cache.popitem(last=False)
