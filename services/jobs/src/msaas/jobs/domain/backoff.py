"""How long a failed job waits until it is tried again."""

from datetime import timedelta
from typing import Final

BASE: Final = timedelta(seconds=1)
CAP: Final = timedelta(minutes=1)
_LAST_DOUBLING: Final = 16


def retry_delay(failures: int, jitter: float) -> timedelta:
    """Spread over all of a step that doubles; `draw` is between 0 and 1."""
    step = BASE * 2 ** min(failures - 1, _LAST_DOUBLING)
    return min(CAP, step) * jitter
