"""The version of each user's rows: the position of the last event about them."""

from collections import OrderedDict
from typing import Final
from uuid import UUID

from msaas.gateway.domain.replay_buffer import StreamPosition

# Twice the longest cache lifetime: entries of older versions have expired by then.
VERSION_RETENTION_MS: Final = 2 * 3600 * 1000


class CacheVersions:
    """Versions for cache keys: a change of a user's rows changes the user's version.

    Cached views need no invalidation: no reader uses the old version after the change.
    """

    def __init__(self) -> None:
        self._positions: OrderedDict[UUID, StreamPosition] = OrderedDict()
        self._floor: StreamPosition | None = None
        self._last = StreamPosition(0, 0)

    def __len__(self) -> int:
        return len(self._positions)

    def start_at(self, position: str) -> None:
        """Start at the end of the log: cached views may be older than earlier changes."""
        self._floor = self._last = max(self._last, StreamPosition.parse(position))

    def record_change(self, user_id: UUID, position: StreamPosition) -> None:
        self._last = max(self._last, position)
        self._positions[user_id] = position
        self._positions.move_to_end(user_id)
        self._evict(before_ms=position.ms - VERSION_RETENTION_MS)

    def reset(self) -> None:
        """Change every version: events may have been missed."""
        self._positions.clear()
        self._floor = self._last = self._last.next

    def find_version(self, user_id: UUID) -> str | None:
        """Return None until the log is being read."""
        if self._floor is None:
            return None
        return str(self._positions.get(user_id, self._floor))

    def _evict(self, before_ms: int) -> None:
        while (oldest := next(iter(self._positions.values()))).ms < before_ms:
            self._positions.popitem(last=False)
            self._floor = max(self._floor or oldest, oldest)
