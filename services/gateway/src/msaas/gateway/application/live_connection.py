"""One open stream: what goes out to its reader, and how long it may go on."""

import math
from enum import StrEnum

from msaas.contracts import HEARTBEAT
from msaas.gateway.application.ports import Sink
from msaas.gateway.domain.rings import Frame, Place

MOST_UNREAD = 64 * 1024
# In seconds, counted by whoever attends to all connections: none has a timer of its own.
BEAT_AFTER = 15
CUT_AFTER = 20


class Ending(StrEnum):
    LEFT = "left"
    TOKEN_ENDED = "token_ended"  # noqa: S105  # no password
    KEY_ENDED = "key_ended"
    LAGGED = "lagged"
    STALLED = "stalled"
    LOST_TRACK = "lost_track"
    ACCOUNT_SHUT = "account_shut"
    DRAINED = "drained"


class Connection:
    """Holds its frames until the head of the answer is out; from then on it keeps none."""

    __slots__ = ("_after", "_ends_at", "_held", "_silence", "_sink", "_stuck", "ending")

    def __init__(
        self, after: Place, first_word: bytes = b"", *, ends_at: float = math.inf, silence: int = 0
    ) -> None:
        self._after = after
        self._held: list[bytes] = [first_word] if first_word else []
        self._sink: Sink | None = None
        self._ends_at = ends_at
        self._silence = silence
        self._stuck = 0
        self.ending: Ending | None = None

    @property
    def is_over(self) -> bool:
        return self.ending is not None

    @property
    def lags(self) -> bool:
        waits = 0 if self._sink is None else self._sink.unread
        return waits > MOST_UNREAD and not self.is_over

    def begin(self, sink: Sink, hello: bytes) -> None:
        self._sink = sink
        sink.write(b"".join((hello, *self._held)))
        self._held = []
        if self.is_over:
            sink.close()

    def push(self, frame: Frame) -> None:
        if frame.place > self._after and not self.is_over:
            self._after = frame.place
            self._silence = 0
            self._say(frame.data)

    def end(self, ending: Ending, last_word: bytes = b"") -> None:
        """Say nothing more than this, and close; the first reason is the one that counts."""
        if self.is_over:
            return
        self.ending = ending
        if last_word:
            self._say(last_word)
        if self._sink is not None:
            self._sink.close()

    def attend(self, now: float) -> None:
        """Once a second: beat where it was silent, end what is over, cut off who takes nothing."""
        if self._sink is None:
            return
        if now >= self._ends_at:
            self.end(Ending.TOKEN_ENDED)
        self._silence += 1
        if self._silence >= BEAT_AFTER and not self.is_over:
            self._silence = 0
            self._say(HEARTBEAT)
        self._stuck = self._stuck + 1 if self._sink.unread else 0
        if self._stuck >= CUT_AFTER:
            self.ending = self.ending or Ending.STALLED
            self._sink.cut()

    def _say(self, data: bytes) -> None:
        if self._sink is None:
            self._held.append(data)
        else:
            self._sink.write(data)
