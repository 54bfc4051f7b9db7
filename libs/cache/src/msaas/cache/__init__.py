"""What the edge remembers in Redis for a while: rate limits, idempotency claims, cached views."""

from msaas.cache.idempotency_claims import InProgress, IdempotencyClaim, IdempotencyClaims, Completed, FingerprintMismatch
from msaas.cache.rate_limits import Bucket, RateLimit, RateLimiter, RateLimitDecision
from msaas.cache.redis_store import RedisClient, RedisStore, Script
from msaas.cache.view_cache import RedisViewCache

__all__ = [
    "Bucket",
    "InProgress",
    "IdempotencyClaim",
    "IdempotencyClaims",
    "Completed",
    "RateLimit",
    "RateLimiter",
    "FingerprintMismatch",
    "RedisClient",
    "RedisStore",
    "Script",
    "RateLimitDecision",
    "RedisViewCache",
]
