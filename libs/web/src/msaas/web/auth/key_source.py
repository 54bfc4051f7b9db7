"""Keeps the published keys at hand: a request with a known key never waits for them."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Final

from msaas.kernel import (
    Breaker,
    BreakerPolicy,
    CircuitOpen,
    Clock,
    DependencyUnavailable,
    MsaasError,
    RetryPolicy,
)
from msaas.telemetry import Metrics, circuit_metrics, get_logger
from msaas.web.auth.errors import KeysUnavailable
from msaas.web.auth.key_fetch import TARGET
from msaas.web.auth.key_set import VerifyingKey, parse_key_set

FRESH_SECONDS: Final = (240.0, 300.0)
STALE_SECONDS: Final = 3600.0
COOL_DOWN: Final = 10.0
_PAUSE_SECONDS: Final = (1.0, 2.0)
# What fails at once is asked again; what takes its whole time is not, for somebody may wait.
_RETRY: Final = RetryPolicy(base=0.2, attempts=3, budget=2.0)

Fetch = Callable[[], Awaitable[bytes]]


class KeySource:
    """Fresh for 5 minutes, renewed in the background, good for an hour while nobody answers."""

    def __init__(self, fetch: Fetch, *, metrics: Metrics, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._breaker = Breaker(TARGET, BreakerPolicy(), clock, circuit_metrics(metrics))
        self._renewed = metrics.gauge(
            "msaas_jwks_renewed_timestamp_seconds", "When the published keys were last read."
        )
        self._keys: dict[str, VerifyingKey] = {}
        self._fetched_at = self._asked_at = self._renew_at = float("-inf")
        self._failing = False
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> VerifyingKey | None:
        """Answer None for a key that is not published; KeysUnavailable if nobody can tell."""
        await self.ensure()
        if kid not in self._keys:
            await self._look_again()
            if self._failing and kid not in self._keys:
                raise KeysUnavailable(target=TARGET)
        return self._keys.get(kid)

    async def ensure(self) -> None:
        """Raise KeysUnavailable unless there are keys to check with."""
        self._renew_when_due()
        if not self._is_usable():
            await self._fetch_ended()
            if not self._is_usable():
                raise KeysUnavailable(target=TARGET)

    def holds(self, key: VerifyingKey) -> bool:
        """Tell at no cost whether what was verified with this key may still be believed."""
        self._renew_when_due()
        return self._is_usable() and self._keys.get(key.kid) is key

    async def close(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait({self._fetching})

    def _is_usable(self) -> bool:
        return self._clock.monotonic() - self._fetched_at <= STALE_SECONDS

    def _renew_when_due(self) -> None:
        if self._clock.monotonic() >= self._renew_at and not self._is_fetching():
            self._begin()

    async def _look_again(self) -> None:
        """Ask whether the keys were rotated, at most once in a while, whoever comes with what."""
        cooled_down = self._clock.monotonic() - self._asked_at >= COOL_DOWN
        if cooled_down and not self._is_fetching():
            self._begin()
        await self._fetch_ended()

    def _is_fetching(self) -> bool:
        return self._fetching is not None and not self._fetching.done()

    def _begin(self) -> None:
        self._asked_at = self._clock.monotonic()
        # In a context of its own: it is for all requests, and part of none.
        self._fetching = asyncio.create_task(self._renew(), name="jwks", context=Context())

    async def _fetch_ended(self) -> None:
        """Wait for the one fetch that all share; a caller that leaves does not end it."""
        if self._fetching is not None:
            await asyncio.wait({self._fetching})

    async def _renew(self) -> None:
        try:
            async with self._breaker:
                on = (DependencyUnavailable,)
                body = await _RETRY.run(self._fetch, on=on, clock=self._clock)
                found = parse_key_set(body)
        except CircuitOpen:
            self._put_off()
        except Exception as error:  # noqa: BLE001  # whatever went wrong, the keys at hand stay
            self._put_off()
            reason = error.safe_message if isinstance(error, MsaasError) else type(error).__name__
            get_logger().warning("jwks_fetch_failed", reason=reason)
        else:
            self._take(found)

    def _put_off(self) -> None:
        self._failing = True
        self._renew_at = self._clock.monotonic() + _between(_PAUSE_SECONDS)

    def _take(self, found: dict[str, VerifyingKey]) -> None:
        self._failing = False
        self._fetched_at = self._clock.monotonic()
        self._renew_at = self._fetched_at + _between(FRESH_SECONDS)
        self._renewed.set(self._clock.now().timestamp())
        if found.keys() != self._keys.keys():
            get_logger().info("jwks_changed", keys=len(found))
        self._keys = {kid: self._same(key) for kid, key in found.items()}

    def _same(self, found: VerifyingKey) -> VerifyingKey:
        """Keep the object of a key that stays, so that what it has verified stays believed."""
        known = self._keys.get(found.kid)
        return known if known and known.thumbprint == found.thumbprint else found


def _between(bounds: tuple[float, float]) -> float:
    return random.uniform(*bounds)  # noqa: S311  # spreading, not secrecy
