"""Bounds how many entries a read asks for, so that a slow link carries them in time."""

from collections.abc import Awaitable, Callable
from typing import Final

from msaas.contracts import MAX_DATA
from msaas.streams.broker import MAX_READ_BYTES, RawEntry

FIRST_READ: Final = MAX_READ_BYTES // MAX_DATA


class ReadLimit:
    """Goes by the size of the entries read before, and starts again after a lost answer.

    The entries of a lost answer stay pending until they are reclaimed.
    """

    def __init__(self) -> None:
        self._limit = FIRST_READ
        self.is_reached = False  # by the last read: more entries may wait

    async def read(
        self, count: int, read: Callable[[int], Awaitable[list[RawEntry]]]
    ) -> list[RawEntry]:
        known, self._limit, self.is_reached = self._limit, FIRST_READ, False
        requested = min(count, known)
        found = await read(requested)
        if size := sum(raw.size for raw in found):
            known = max(1, min(2 * known, MAX_READ_BYTES * len(found) // size))
        self._limit, self.is_reached = known, len(found) == requested
        return found
