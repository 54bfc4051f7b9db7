"""Rate limits: all buckets of a request in one round trip.

A bucket is one number in Redis, the time at which it will be full again (GCRA). A full
bucket has no key.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final, NamedTuple

from msaas.cache.redis_store import RedisStore, Script
from msaas.contracts import rate_limit_key

_MICROSECONDS: Final = 1_000_000

# KEYS: the buckets. ARGV, for each: the microseconds to refill one request, and its capacity.
# Returns whether all had one left, the time, and when each will be full.
_TAKE: Final = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full_at, admitted = {}, 1
for i, key in ipairs(KEYS) do
  local interval, most = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  full_at[i] = math.max(tonumber(redis.call('GET', key) or 0), now)
  if full_at[i] - now > interval * (most - 1) then admitted = 0 end
end
if admitted == 1 then
  for i, key in ipairs(KEYS) do
    full_at[i] = full_at[i] + tonumber(ARGV[2 * i - 1])
    local ttl = math.ceil((full_at[i] - now) / 1000)
    redis.call('SET', key, string.format('%.0f', full_at[i]), 'PX', string.format('%.0f', ttl))
  end
end
return {admitted, now, unpack(full_at)}
""")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A burst of `max_requests`, refilled evenly over `seconds`."""

    category: str
    max_requests: int
    seconds: int

    @property
    def interval_us(self) -> int:
        return ceil(self.seconds * _MICROSECONDS / self.max_requests)


class Bucket(NamedTuple):
    limit: RateLimit
    key: str


@dataclass(frozen=True, slots=True)
class RateLimitDecision:
    """The decision of the emptiest bucket; `reset_after` is the time until it is full."""

    allowed: bool
    limit: RateLimit
    remaining: int
    reset_after: int
    retry_after: int


class RateLimiter:
    def __init__(self, store: RedisStore, environment: str) -> None:
        self._store = store
        self._environment = environment

    async def take(self, *buckets: Bucket) -> RateLimitDecision:
        """Take one from each bucket if all have one left, else from none."""
        keys = [rate_limit_key(self._environment, b.limit.category, b.key) for b in buckets]
        sizes = [size for b in buckets for size in (b.limit.interval_us, b.limit.max_requests)]
        allowed, now, *full_at = await self._store.run_script(_TAKE, keys, *sizes)
        decisions = [
            decide(bucket.limit, moment - now, allowed=bool(allowed))
            for bucket, moment in zip(buckets, full_at, strict=True)
        ]
        return min(decisions, key=lambda decision: (decision.remaining, -decision.retry_after))


def decide(limit: RateLimit, missing_us: int, *, allowed: bool) -> RateLimitDecision:
    """Return the decision for a bucket that will be full in `missing_us` microseconds."""
    available_us = limit.interval_us * limit.max_requests - missing_us
    return RateLimitDecision(
        allowed=allowed,
        limit=limit,
        remaining=available_us // limit.interval_us,
        reset_after=ceil(missing_us / _MICROSECONDS),
        retry_after=max(0, ceil((limit.interval_us - available_us) / _MICROSECONDS)),
    )
