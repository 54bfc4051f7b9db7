"""Counts the made-up API keys of each address, so that guessing does not reach the database."""

from collections import OrderedDict
from typing import Final

from msaas.gateway.application.errors import RateLimited

MAX_FAILED_CHECKS: Final = 20
_SECONDS_PER_CHECK: Final = 3.0  # one more is allowed after so long
_MAX_ADDRESSES: Final = 10_000


class FailedKeyChecks:
    """In the memory of the process: counting in Redis would cost a round trip for each guess."""

    def __init__(self) -> None:
        # When each address will have all its checks again, the one that failed last at the end.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def require_left(self, address: str, now: float) -> None:
        """Raise RateLimited where the address has no check left."""
        missing = self._full_at.get(address, now) - now
        wait = missing - (MAX_FAILED_CHECKS - 1) * _SECONDS_PER_CHECK
        if wait > 0:
            raise RateLimited(retry_after=wait)

    def count(self, address: str, now: float) -> None:
        full_at = max(self._full_at.get(address, now), now) + _SECONDS_PER_CHECK
        self._full_at[address] = full_at
        self._full_at.move_to_end(address)
        if len(self._full_at) > _MAX_ADDRESSES:
            self._full_at.popitem(last=False)
