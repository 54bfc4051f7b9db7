"""Verifies access tokens; valid ones are cached until they expire."""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from time import perf_counter
from typing import Final, NamedTuple

from msaas.auth.claims import TokenClaims, read_claims
from msaas.auth.errors import JwksUnavailable, TokenExpired, Unauthenticated
from msaas.auth.jwks import VerificationKey
from msaas.auth.jwks_cache import Fetch, JwksCache
from msaas.auth.jwks_client import JwksClient
from msaas.auth.signed_token import read_token, verify_signature
from msaas.kernel import Clock, MsaasError, SystemClock
from msaas.telemetry import Metrics, span

MAX_TOKEN_LENGTH: Final = 8 * 1024
MAX_CACHED_ENTRIES: Final = 10_000
_BUCKETS: Final = (2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 2e-2, 0.1, 0.5, 2.0, 5.0)
_VALID: Final = "valid"
_RESULTS: Final = {
    Unauthenticated.code: "invalid",
    TokenExpired.code: "expired",
    JwksUnavailable.code: "unavailable",
}


class _CachedClaims(NamedTuple):
    claims: TokenClaims
    key: VerificationKey


class _ResultMetrics(NamedTuple):
    observe: Callable[[float], None]
    increment: Callable[[], None]


class TokenVerifier:
    """Requires the exact issuer and audience, ES256 or RS256, and keys from one URL."""

    def __init__(
        self,
        jwks_url: str,
        issuer: str,
        audience: str,
        *,
        metrics: Metrics,
        clock: Clock | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._clock = clock or SystemClock()
        self._http = JwksClient(jwks_url)
        self._keys = JwksCache(fetch or self._http, metrics=metrics, clock=self._clock)
        self._cache: OrderedDict[bytes, _CachedClaims] = OrderedDict()
        self._series = _make_series(metrics)

    async def verify(self, token: str) -> TokenClaims:
        """Return the claims, or raise Unauthenticated, TokenExpired or JwksUnavailable."""
        started = perf_counter()
        try:
            claims = await self._verify(token)
        except MsaasError as error:
            self._count(_RESULTS[error.code], started)
            raise
        self._count(_VALID, started)
        return claims

    async def ping(self) -> None:
        """Raise if no token could be verified."""
        await self._keys.ensure_available()

    async def close(self) -> None:
        await self._keys.close()
        await self._http.close()

    async def _verify(self, token: str) -> TokenClaims:
        if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
            raise Unauthenticated
        encoded = token.encode()
        digest = sha256(encoded).digest()
        if claims := self._find_cached(digest):
            return claims
        with span("auth.verify"):
            return await self._check(encoded, digest)

    def _find_cached(self, digest: bytes) -> TokenClaims | None:
        cached = self._cache.get(digest)
        if cached is None:
            return None
        if not self._keys.is_current(cached.key):
            del self._cache[digest]
            return None
        if self._clock.now().timestamp() >= cached.claims.expires_at:
            del self._cache[digest]
            raise TokenExpired
        self._cache.move_to_end(digest)
        return cached.claims

    async def _check(self, encoded: bytes, digest: bytes) -> TokenClaims:
        token = read_token(encoded)
        key = await self._keys.find(token.kid)
        if key is None:
            raise Unauthenticated
        claims = read_claims(
            verify_signature(token, key),
            issuer=self._issuer,
            audience=self._audience,
            now=self._clock.now().timestamp(),
        )
        self._cache[digest] = _CachedClaims(claims, key)
        if len(self._cache) > MAX_CACHED_ENTRIES:
            self._cache.popitem(last=False)
        return claims

    def _count(self, result: str, started: float) -> None:
        series = self._series[result]
        series.observe(perf_counter() - started)
        series.increment()


def _make_series(metrics: Metrics) -> dict[str, _ResultMetrics]:
    """Find each series once: the lookup costs more than the increment."""
    duration = metrics.histogram(
        "msaas_jwt_validation_duration_seconds", "One check of a token.", ("result",), _BUCKETS
    )
    total = metrics.counter(
        "msaas_jwt_validation_total", "Checks of tokens by what came of them.", ("result",)
    )
    return {
        result: _ResultMetrics(duration.labels(result).observe, total.labels(result).inc)
        for result in (_VALID, *_RESULTS.values())
    }
