"""What the edge remembers in Redis for a while: rate limits, idempotency claims, cached views."""

from msaas.cache.claims import Busy, Claim, Claims, Done, Mismatch
from msaas.cache.limits import Bucket, Limit, Limiter, Verdict
from msaas.cache.redis_store import Redis, RedisStore, Script
from msaas.cache.views import ViewCache

__all__ = [
    "Bucket",
    "Busy",
    "Claim",
    "Claims",
    "Done",
    "Limit",
    "Limiter",
    "Mismatch",
    "Redis",
    "RedisStore",
    "Script",
    "Verdict",
    "ViewCache",
]
