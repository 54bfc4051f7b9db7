"""One open stream: the frames that it has not taken yet, and how long it may go on."""

import asyncio
import math
from collections.abc import Callable
from enum import StrEnum

from msaas.contracts import HEARTBEAT
from msaas.gateway.domain.rings import Frame, Place

MOST_UNREAD = 256
MOST_UNREAD_BYTES = 128 * 1024
# In seconds, counted by whoever attends to all connections: none has a timer of its own.
BEAT_AFTER = 15
CUT_AFTER = 20


class Ending(StrEnum):
    LEFT = "left"
    TOKEN_ENDED = "token_ended"  # noqa: S105  # no password
    LAGGED = "lagged"
    STALLED = "stalled"
    LOST_TRACK = "lost_track"
    ACCOUNT_SHUT = "account_shut"
    DRAINED = "drained"


class Connection:
    """Ends at a time of the monotonic clock, or by `cut`, which needs no help of the reader."""

    __slots__ = ("_after", "_bell", "_cut", "_ends_at", "_silence", "_size", "_unread", "ending")

    def __init__(
        self,
        after: Place,
        first_word: bytes = b"",
        *,
        ends_at: float = math.inf,
        silence: int = 0,
        cut: Callable[[], None] = lambda: None,
    ) -> None:
        self._after = after
        self._unread = [first_word] if first_word else []
        self._size = len(first_word)
        self._ends_at = ends_at
        self._silence = silence
        self._cut = cut
        self._bell: asyncio.Future[None] | None = None
        self.ending: Ending | None = None

    @property
    def is_over(self) -> bool:
        return self.ending is not None

    @property
    def lags(self) -> bool:
        return len(self._unread) > MOST_UNREAD or self._size > MOST_UNREAD_BYTES

    @property
    def has_news(self) -> bool:
        return bool(self._unread) or self.is_over

    def push(self, frame: Frame) -> None:
        if frame.place > self._after and not self.is_over:
            self._after = frame.place
            self._add(frame.data)

    def end(self, ending: Ending, last_word: bytes = b"") -> None:
        """Say nothing more than this, and close; the first reason is the one that counts."""
        if self.is_over:
            return
        self.ending = ending
        self._unread = [last_word] if last_word else []
        self._ring()

    def take(self) -> bytes:
        taken, self._unread = b"".join(self._unread), []
        self._size = self._silence = 0
        return taken

    async def wait(self) -> None:
        """Return when there is something to take or to end."""
        if self.has_news:
            return
        self._bell = asyncio.get_running_loop().create_future()
        try:
            await self._bell
        finally:
            self._bell = None

    def attend(self, now: float) -> None:
        """Once a second: beat where it was silent, end what is over, cut off who takes nothing."""
        self._silence += 1
        if now >= self._ends_at:
            self.end(Ending.TOKEN_ENDED)
        if not self.has_news:
            if self._silence >= BEAT_AFTER:
                self._silence = 0
                self._add(HEARTBEAT)
        elif self._silence >= CUT_AFTER:
            self.end(Ending.STALLED)
            self._cut()

    def _add(self, data: bytes) -> None:
        self._unread.append(data)
        self._size += len(data)
        self._ring()

    def _ring(self) -> None:
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)
