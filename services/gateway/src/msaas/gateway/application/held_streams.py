"""Streams that were opened by API key: ended once the key is no longer good."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final
from uuid import UUID

from msaas.gateway.application.key_ports import KeyLookup
from msaas.kernel import Clock, MsaasError, SystemClock

# As long may nobody answer before streams that nobody can vouch for are ended.
UNCHECKED_SECONDS: Final = 60.0

End = Callable[[], None]


class HeldStreams:
    def __init__(self, keys: KeyLookup, *, clock: Clock | None = None) -> None:
        self._keys = keys
        self._clock = clock or SystemClock()
        self._ends: defaultdict[UUID, list[End]] = defaultdict(list)
        self._checked_at = self._clock.monotonic()

    def hold(self, key_id: UUID, end: End) -> End:
        """Return what to call when the stream has ended by itself."""
        self._ends[key_id].append(end)

        def release() -> None:
            ends = self._ends.get(key_id, [])
            if end in ends:
                ends.remove(end)
            if not ends:
                self._ends.pop(key_id, None)

        return release

    async def check(self) -> None:
        """End the streams of keys that have died; of all, where that cannot be told for long."""
        held = list(self._ends)
        try:
            dead = await self._keys.find_dead(held) if held else ()
        except MsaasError:
            if self._clock.monotonic() - self._checked_at > UNCHECKED_SECONDS:
                self._end(held)
            raise
        self._checked_at = self._clock.monotonic()
        self._end(dead)

    def end(self, key_id: UUID) -> None:
        self._end([key_id])

    def _end(self, key_ids: Iterable[UUID]) -> None:
        for key_id in key_ids:
            for end in self._ends.pop(key_id, ()):
                end()
