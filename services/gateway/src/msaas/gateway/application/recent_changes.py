"""When anything last happened to each user's jobs, as far as this process has followed the log."""

from collections import OrderedDict
from typing import Final
from uuid import UUID

from msaas.gateway.domain.rings import Place

# Twice as long as any view is kept: by then nothing is left under an older mark.
KEPT_MS: Final = 2 * 3600 * 1000


class RecentChanges:
    """Marks what a view of a user's rows was made of: a change gives it another mark.

    A view that is kept under its mark needs no invalidation: nobody asks for it after the change.
    """

    def __init__(self) -> None:
        self._changed: OrderedDict[UUID, Place] = OrderedDict()
        self._floor: Place | None = None
        self._last = Place(0, 0)

    def __len__(self) -> int:
        return len(self._changed)

    def begin(self, place: str) -> None:
        """Start at the end of the log: what was kept before that may be older than a change."""
        self._floor = self._last = max(self._last, Place.parse(place))

    def note(self, user_id: UUID, place: Place) -> None:
        self._last = max(self._last, place)
        self._changed[user_id] = place
        self._changed.move_to_end(user_id)
        self._forget(before_ms=place.ms - KEPT_MS)

    def lose_track(self) -> None:
        """Something may have been missed: every mark is another one from here on."""
        self._changed.clear()
        self._floor = self._last = self._last.next

    def find_mark(self, user_id: UUID) -> str | None:
        """Return None as long as nothing is known of anybody."""
        if self._floor is None:
            return None
        return str(self._changed.get(user_id, self._floor))

    def _forget(self, before_ms: int) -> None:
        while (oldest := next(iter(self._changed.values()))).ms < before_ms:
            self._changed.popitem(last=False)
            self._floor = max(self._floor or oldest, oldest)
