"""How often something may happen: all the buckets that a request draws on, in one round trip.

A bucket is one number in Redis, the moment at which it will be full again (GCRA). A bucket that is
full is a key that is not there.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final, NamedTuple

from msaas.cache.redis_store import RedisStore, Script
from msaas.contracts import rate_limit_key

_MICROSECONDS: Final = 1_000_000

# KEYS the buckets; ARGV for each of them the microseconds that one draw takes to come back, and how
# many it holds. Answers whether all had one left, the time, and when each will be full.
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
class Limit:
    """So many at once, coming back evenly over so many seconds."""

    category: str
    most: int
    seconds: int

    @property
    def interval_us(self) -> int:
        return ceil(self.seconds * _MICROSECONDS / self.most)


class Bucket(NamedTuple):
    limit: Limit
    holder: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """About the bucket that has the least left; seconds until it is full, and until one is back."""

    admitted: bool
    limit: Limit
    remaining: int
    full_in: int
    retry_after: int


class Limiter:
    def __init__(self, store: RedisStore, environment: str) -> None:
        self._store = store
        self._environment = environment

    async def take(self, *buckets: Bucket) -> Verdict:
        """Draw once on each bucket if all have one left, else on none."""
        keys = [rate_limit_key(self._environment, b.limit.category, b.holder) for b in buckets]
        sizes = [size for b in buckets for size in (b.limit.interval_us, b.limit.most)]
        admitted, now, *full_at = await self._store.run(_TAKE, keys, *sizes)
        verdicts = [
            judge(bucket.limit, moment - now, admitted=bool(admitted))
            for bucket, moment in zip(buckets, full_at, strict=True)
        ]
        return min(verdicts, key=lambda one: (one.remaining, -one.retry_after))


def judge(limit: Limit, missing_us: int, *, admitted: bool) -> Verdict:
    """Say what a bucket has left that will be full in so many microseconds."""
    room_us = limit.interval_us * limit.most - missing_us
    return Verdict(
        admitted=admitted,
        limit=limit,
        remaining=room_us // limit.interval_us,
        full_in=ceil(missing_us / _MICROSECONDS),
        retry_after=max(0, ceil((limit.interval_us - room_us) / _MICROSECONDS)),
    )
