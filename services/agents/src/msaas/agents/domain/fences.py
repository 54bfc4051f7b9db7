"""Orders the runs of a job: jobs gives each a random fence, and the stores keep the newest."""

from datetime import datetime
from typing import Final
from uuid import UUID

_TIME_BITS: Final = 48
_VERSION: Final = 7


def order_fence(valid_until: datetime, fence: UUID) -> UUID:
    """Return a UUIDv7 of the time until which the envelope is valid, with the fence's bits.

    A later envelope of a job is valid for longer, so that its fence is the larger one.
    """
    milliseconds = int(valid_until.timestamp() * 1000) & (2**_TIME_BITS - 1)
    random_bits = fence.int & (2**76 - 1)
    return UUID(int=milliseconds << 80 | _VERSION << 76 | random_bits)
