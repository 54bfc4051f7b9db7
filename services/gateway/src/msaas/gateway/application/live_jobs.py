"""Passes what happens to jobs on to whoever watches: one ring a user, one queue a connection."""

import math
import random
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from uuid import UUID

from msaas.contracts import resync_frame, retry_frame
from msaas.gateway.application.errors import NoMoreStreams, TooManyStreams
from msaas.gateway.application.live_connection import BEAT_AFTER, Connection, Ending
from msaas.gateway.domain.rings import KEPT_MS, Frame, Place, Ring

# All who are sent away at once come back no faster than a process can let them in.
_BACK_A_SECOND = 200
_RETRY_MS = (1_000, 4_000)
_SWEPT_EVERY_MS = 60_000


class LiveJobs:
    """The process's one view of the event log."""

    def __init__(
        self,
        *,
        per_user: int,
        per_process: int,
        on_resync: Callable[[], None] = lambda: None,
        on_end: Callable[[Ending], None] = lambda _: None,
    ) -> None:
        self._per_user = per_user
        self._per_process = per_process
        self._on_resync = on_resync
        self._on_end = on_end
        self._rings: dict[UUID, Ring] = {}
        self._connections: defaultdict[UUID, set[Connection]] = defaultdict(set)
        self._swept_ms = 0
        self._floor = self._last = Place(0, 0)
        self.has_begun = False
        self.open_count = 0

    @property
    def cursor(self) -> str:
        """The place up to which everything is known here; take it before reading the record."""
        return str(self._last)

    def begin(self, place: str) -> None:
        """Start at the end of the log: nothing before that is known, to early readers neither."""
        self._floor = self._last = Place.parse(place)
        self.has_begun = True
        for connection in self._everyone():
            self._resync(connection, Ending.LOST_TRACK)

    def take_in(
        self, user_id: UUID, frame: Frame, job_id: UUID, version: int, *, is_progress: bool = False
    ) -> None:
        self._last = max(self._last, frame.place)
        ring = self._rings.get(user_id) or self._rings.setdefault(user_id, Ring(self._floor))
        if ring.add(frame, job_id, version, is_progress=is_progress):
            for connection in self._connections.get(user_id, ()):
                connection.push(frame)
                if connection.lags:
                    self._resync(connection, Ending.LAGGED)
        if frame.place.ms - self._swept_ms > _SWEPT_EVERY_MS:
            self._sweep(frame.place.ms)

    def lose_track(self) -> None:
        """Something may have been missed: every reader has to look at the record.

        Those who are away too, at the very last place as well: the floor is beyond it.
        """
        self._rings.clear()
        self._floor = self._last = self._last.next
        for connection in self._everyone():
            self._resync(connection, Ending.LOST_TRACK)

    def end_all(self) -> None:
        for connection in self._everyone():
            connection.end(Ending.DRAINED, self._come_back())

    @property
    def watching(self) -> Collection[UUID]:
        return list(self._connections)

    def shut(self, user_id: UUID) -> None:
        """Show nothing more to an account that is closed."""
        for connection in self._connections.get(user_id, ()):
            connection.end(Ending.ACCOUNT_SHUT)

    def attend(self, now: float) -> None:
        """Look after every connection; call it once a second."""
        for connection in self._everyone():
            connection.attend(now)

    def retry_ms(self) -> int:
        """Say when to come back, spread the wider the more there are to come."""
        earliest, latest = _RETRY_MS
        latest = max(latest, earliest + self.open_count * 1000 // _BACK_A_SECOND)
        return random.randint(earliest, latest)  # noqa: S311  # spreading, not secrecy

    def open(
        self, user_id: UUID, last_event_id: str | None, *, ends_at: float = math.inf
    ) -> tuple[Connection, str]:
        """Return the connection and where it starts; what it has missed is already in it."""
        if self.open_count >= self._per_process:
            raise NoMoreStreams(retry_after=math.ceil(self.retry_ms() / 1000))
        if len(self._connections.get(user_id, ())) >= self._per_user:
            raise TooManyStreams(retry_after=5)
        start = Place.parse(last_event_id) if last_event_id else self._last
        missed = self._missed(user_id, start)
        first_word = b""
        if missed is None:
            self._on_resync()
            start = self._last
            first_word = resync_frame(str(start))
        # Those who came together do not beat together.
        silence = random.randrange(BEAT_AFTER)  # noqa: S311  # spreading, not secrecy
        connection = Connection(start, first_word, ends_at=ends_at, silence=silence)
        for frame in missed or ():
            connection.push(frame)
        self._connections[user_id].add(connection)
        self.open_count += 1
        return connection, str(start)

    def close(self, user_id: UUID, connection: Connection) -> None:
        with suppress(KeyError):
            self._connections[user_id].remove(connection)
            self.open_count -= 1
            self._on_end(connection.ending or Ending.LEFT)
            if not self._connections[user_id]:
                del self._connections[user_id]

    def _missed(self, user_id: UUID, place: Place) -> Iterable[Frame] | None:
        ring = self._rings.get(user_id)
        if place > self._last:
            return ()  # another process is ahead of this one
        return ring.after(place) if ring else (() if place >= self._floor else None)

    def _resync(self, connection: Connection, ending: Ending) -> None:
        self._on_resync()
        connection.end(ending, self._come_back() + resync_frame(self.cursor))

    def _come_back(self) -> bytes:
        return retry_frame(self.retry_ms())

    def _everyone(self) -> list[Connection]:
        return [one for connections in self._connections.values() for one in connections]

    def _sweep(self, now_ms: int) -> None:
        """Forget users of whom nothing was heard for as long as a ring reaches back."""
        self._swept_ms = now_ms
        oldest_ms = now_ms - KEPT_MS
        self._floor = max(self._floor, Place(oldest_ms, 0))
        for user_id in [one for one, ring in self._rings.items() if ring.is_idle_since(oldest_ms)]:
            del self._rings[user_id]


def delay_seconds(place: Place) -> float:
    """How long ago an entry was written, by clocks that may differ a little."""
    return max(0.0, time.time() - place.ms / 1000)
