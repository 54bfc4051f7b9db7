"""Rate limits of each client address: token buckets, in bounded memory."""

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

from msaas.identity.domain.errors import OverRequestRateLimit
from msaas.kernel import Clock

MAX_ADDRESSES: Final = 10_000
_NETWORK_BITS: Final = 64  # the smallest network that a provider assigns to a customer


@dataclass(slots=True)
class _Bucket:
    tokens: float
    updated_at: float


class Throttle:
    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._capacity = float(per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, address: str) -> None:
        """Take one token, or raise OverRequestRateLimit."""
        now = self._clock.monotonic()
        bucket = self._bucket(_origin(address), now)
        filled = bucket.tokens + (now - bucket.updated_at) * self._per_second
        bucket.tokens, bucket.updated_at = min(self._capacity, filled), now
        if bucket.tokens < 1:
            raise OverRequestRateLimit(retry_after=(1 - bucket.tokens) / self._per_second)
        bucket.tokens -= 1

    def _bucket(self, origin: str, now: float) -> _Bucket:
        bucket = self._buckets.setdefault(origin, _Bucket(self._capacity, now))
        self._buckets.move_to_end(origin)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return bucket


def _origin(address: str) -> str:
    """Count an IPv6 network as one address: a client can use every address in it."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped else f"net-{int(parsed) >> (128 - _NETWORK_BITS):x}"
