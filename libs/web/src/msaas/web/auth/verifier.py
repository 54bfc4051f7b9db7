"""Checks an access token, and remembers those that were good until they end."""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from time import perf_counter
from typing import Final, NamedTuple

from msaas.kernel import Clock, MsaasError, SystemClock
from msaas.telemetry import Metrics, span
from msaas.web.auth.claims import TokenClaims, read_claims
from msaas.web.auth.errors import KeysUnavailable, TokenExpired, Unauthenticated
from msaas.web.auth.key_fetch import KeyFetch
from msaas.web.auth.key_set import VerifyingKey
from msaas.web.auth.key_source import Fetch, KeySource
from msaas.web.auth.signed_token import read_token, verify_signature

LONGEST_TOKEN: Final = 8 * 1024
MOST_REMEMBERED: Final = 10_000
_BUCKETS: Final = (2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 2e-2, 0.1, 0.5, 2.0, 5.0)
_GOOD: Final = "valid"
_RESULTS: Final = {
    Unauthenticated.code: "invalid",
    TokenExpired.code: "expired",
    KeysUnavailable.code: "unavailable",
}


class _Verified(NamedTuple):
    claims: TokenClaims
    key: VerifyingKey


class _Series(NamedTuple):
    observe: Callable[[float], None]
    increment: Callable[[], None]


class TokenVerifier:
    """Exact issuer and audience, ES256 and RS256 only, keys from one address only."""

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
        self._http = KeyFetch(jwks_url)
        self._keys = KeySource(fetch or self._http, metrics=metrics, clock=self._clock)
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()
        self._series = _make_series(metrics)

    async def verify(self, token: str) -> TokenClaims:
        """Answer what the token claims, or raise Unauthenticated, TokenExpired, KeysUnavailable."""
        started = perf_counter()
        try:
            claims = await self._verify(token)
        except MsaasError as error:
            self._count(_RESULTS[error.code], started)
            raise
        self._count(_GOOD, started)
        return claims

    async def ping(self) -> None:
        """Raise where nobody could be let in."""
        await self._keys.ensure()

    async def close(self) -> None:
        await self._keys.close()
        await self._http.close()

    async def _verify(self, token: str) -> TokenClaims:
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise Unauthenticated
        encoded = token.encode()
        digest = sha256(encoded).digest()
        if claims := self._recall(digest):
            return claims
        with span("auth.verify"):
            return await self._check(encoded, digest)

    def _recall(self, digest: bytes) -> TokenClaims | None:
        known = self._verified.get(digest)
        if known is None:
            return None
        if not self._keys.holds(known.key):
            del self._verified[digest]
            return None
        if self._clock.now().timestamp() >= known.claims.expires_at:
            del self._verified[digest]
            raise TokenExpired
        self._verified.move_to_end(digest)
        return known.claims

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
        self._verified[digest] = _Verified(claims, key)
        if len(self._verified) > MOST_REMEMBERED:
            self._verified.popitem(last=False)
        return claims

    def _count(self, result: str, started: float) -> None:
        series = self._series[result]
        series.observe(perf_counter() - started)
        series.increment()


def _make_series(metrics: Metrics) -> dict[str, _Series]:
    """Find each series once: looking it up costs more than counting."""
    duration = metrics.histogram(
        "msaas_jwt_validation_duration_seconds", "One check of a token.", ("result",), _BUCKETS
    )
    total = metrics.counter(
        "msaas_jwt_validation_total", "Checks of tokens by what came of them.", ("result",)
    )
    return {
        result: _Series(duration.labels(result).observe, total.labels(result).inc)
        for result in (_GOOD, *_RESULTS.values())
    }
