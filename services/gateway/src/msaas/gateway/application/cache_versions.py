"""When anything last happened to each user's jobs, as far as this process has followed the log."""

from collections import OrderedDict
from typing import Final
from uuid import UUID

from msaas.gateway.domain.replay_buffer import StreamPosition

# Twice as long as any view is kept: by then nothing is left under an older mark.
VERSION_RETENTION_MS: Final = 2 * 3600 * 1000


class CacheVersions:
    """Marks what a view of a user's rows was made of: a change gives it another mark.

    A view that is kept under its mark needs no invalidation: nobody asks for it after the change.
    """

    def __init__(self) -> None:
        self._positions: OrderedDict[UUID, StreamPosition] = OrderedDict()
        self._floor: StreamPosition | None = None
        self._last = StreamPosition(0, 0)

    def __len__(self) -> int:
        return len(self._positions)

    def start_at(self, position: str) -> None:
        """Start at the end of the log: what was kept before that may be older than a change."""
        self._floor = self._last = max(self._last, StreamPosition.parse(position))

    def record_change(self, user_id: UUID, position: StreamPosition) -> None:
        self._last = max(self._last, position)
        self._positions[user_id] = position
        self._positions.move_to_end(user_id)
        self._evict(before_ms=position.ms - VERSION_RETENTION_MS)

    def reset(self) -> None:
        """Something may have been missed: every mark is another one from here on."""
        self._positions.clear()
        self._floor = self._last = self._last.next

    def find_version(self, user_id: UUID) -> str | None:
        """Return None as long as nothing is known of anybody."""
        if self._floor is None:
            return None
        return str(self._positions.get(user_id, self._floor))

    def _evict(self, before_ms: int) -> None:
        while (oldest := next(iter(self._positions.values()))).ms < before_ms:
            self._positions.popitem(last=False)
            self._floor = max(self._floor or oldest, oldest)
