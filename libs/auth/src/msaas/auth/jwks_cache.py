"""Caches the published keys; a request with a known key does not wait for them."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Final

from msaas.auth.errors import JwksUnavailable
from msaas.auth.jwks import VerificationKey, parse_jwks
from msaas.auth.jwks_client import BREAKER_TARGET
from msaas.kernel import (
    Breaker,
    BreakerPolicy,
    CircuitOpen,
    Clock,
    DependencyUnavailable,
    MsaasError,
    RetryPolicy,
)
from msaas.telemetry import Metrics, circuit_state_listener, get_logger

REFRESH_SECONDS: Final = (240.0, 300.0)
STALE_SECONDS: Final = 3600.0
REFETCH_COOLDOWN: Final = 10.0
_RETRY_SECONDS: Final = (1.0, 2.0)
# A fetch that fails at once is retried; one that times out is not: a request may be waiting.
_RETRY: Final = RetryPolicy(base=0.2, attempts=3, budget=2.0)

Fetch = Callable[[], Awaitable[bytes]]


class JwksCache:
    """Keys are refreshed in the background every 5 minutes, and valid for an hour if that fails."""

    def __init__(self, fetch: Fetch, *, metrics: Metrics, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._breaker = Breaker(
            BREAKER_TARGET, BreakerPolicy(), clock, circuit_state_listener(metrics)
        )
        self._refreshed = metrics.gauge(
            "msaas_jwks_renewed_timestamp_seconds", "When the published keys were last read."
        )
        self._keys: dict[str, VerificationKey] = {}
        self._fetched_at = self._attempted_at = self._refresh_at = float("-inf")
        self._failing = False
        self._fetch_task: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> VerificationKey | None:
        """Return None for a key that is not published; raise JwksUnavailable if that is unknown."""
        await self.ensure_available()
        if kid not in self._keys:
            await self._refetch()
            if self._failing and kid not in self._keys:
                raise JwksUnavailable(target=BREAKER_TARGET)
        return self._keys.get(kid)

    async def ensure_available(self) -> None:
        """Raise JwksUnavailable unless there are valid keys."""
        self._refresh_when_due()
        if not self._is_usable():
            await self._wait_for_fetch()
            if not self._is_usable():
                raise JwksUnavailable(target=BREAKER_TARGET)

    def is_current(self, key: VerificationKey) -> bool:
        """Return whether a token that was verified with this key is still valid."""
        self._refresh_when_due()
        return self._is_usable() and self._keys.get(key.kid) is key

    async def close(self) -> None:
        if self._fetch_task is not None:
            self._fetch_task.cancel()
            await asyncio.wait({self._fetch_task})

    def _is_usable(self) -> bool:
        return self._clock.monotonic() - self._fetched_at <= STALE_SECONDS

    def _refresh_when_due(self) -> None:
        if self._clock.monotonic() >= self._refresh_at and not self._is_fetching():
            self._start_fetch()

    async def _refetch(self) -> None:
        """Fetch the keys again, in case they were rotated; at most once per interval."""
        cooled_down = self._clock.monotonic() - self._attempted_at >= REFETCH_COOLDOWN
        if cooled_down and not self._is_fetching():
            self._start_fetch()
        await self._wait_for_fetch()

    def _is_fetching(self) -> bool:
        return self._fetch_task is not None and not self._fetch_task.done()

    def _start_fetch(self) -> None:
        self._attempted_at = self._clock.monotonic()
        # In a separate context: the fetch serves all requests and belongs to no trace.
        self._fetch_task = asyncio.create_task(self._refresh(), name="jwks", context=Context())

    async def _wait_for_fetch(self) -> None:
        """Wait for the shared fetch; a cancelled caller does not cancel it."""
        if self._fetch_task is not None:
            await asyncio.wait({self._fetch_task})

    async def _refresh(self) -> None:
        try:
            async with self._breaker:
                on = (DependencyUnavailable,)
                body = await _RETRY.run(self._fetch, retry_on=on, clock=self._clock)
                found = parse_jwks(body)
        except CircuitOpen:
            self._schedule_retry()
        except Exception as error:  # noqa: BLE001  # the present keys stay
            self._schedule_retry()
            reason = error.safe_message if isinstance(error, MsaasError) else type(error).__name__
            get_logger().warning("jwks_fetch_failed", reason=reason)
        else:
            self._replace_keys(found)

    def _schedule_retry(self) -> None:
        self._failing = True
        self._refresh_at = self._clock.monotonic() + _jittered(_RETRY_SECONDS)

    def _replace_keys(self, found: dict[str, VerificationKey]) -> None:
        self._failing = False
        self._fetched_at = self._clock.monotonic()
        self._refresh_at = self._fetched_at + _jittered(REFRESH_SECONDS)
        self._refreshed.set(self._clock.now().timestamp())
        if found.keys() != self._keys.keys():
            get_logger().info("jwks_changed", keys=len(found))
        self._keys = {kid: self._reuse_known_key(key) for kid, key in found.items()}

    def _reuse_known_key(self, found: VerificationKey) -> VerificationKey:
        """Keep the object of an unchanged key, so that its verified tokens stay cached."""
        known = self._keys.get(found.kid)
        return known if known and known.thumbprint == found.thumbprint else found


def _jittered(bounds: tuple[float, float]) -> float:
    return random.uniform(*bounds)  # noqa: S311  # spreading, not secrecy
