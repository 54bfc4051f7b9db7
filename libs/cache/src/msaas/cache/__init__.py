"""Short-lived state in Redis: rate limits, idempotency claims, cached views."""

from msaas.cache.idempotency_claims import (
    Completed,
    FingerprintMismatch,
    IdempotencyClaim,
    IdempotencyClaims,
    InProgress,
)
from msaas.cache.rate_limits import Bucket, RateLimit, RateLimitDecision, RateLimiter
from msaas.cache.redis_store import RedisClient, RedisStore, Script
from msaas.cache.view_cache import RedisViewCache

__all__ = [
    "Bucket",
    "Completed",
    "FingerprintMismatch",
    "IdempotencyClaim",
    "IdempotencyClaims",
    "InProgress",
    "RateLimit",
    "RateLimitDecision",
    "RateLimiter",
    "RedisClient",
    "RedisStore",
    "RedisViewCache",
    "Script",
]
