"""Passes what happens to jobs on to whoever watches: one ring a user, one queue a connection."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from uuid import UUID

from msaas.contracts import resync_frame
from msaas.gateway.application.errors import NoMoreStreams, TooManyStreams
from msaas.gateway.domain.rings import KEPT_MS, Frame, Place, Ring

MOST_UNREAD = 256
_SWEPT_EVERY_MS = 60_000


class Connection:
    """One open stream: frames that it has not taken yet, and a bell."""

    def __init__(self, after: Place, first_word: bytes = b"") -> None:
        self._after = after
        self._unread = [first_word] if first_word else []
        self._bell: asyncio.Future[None] | None = None
        self.is_over = False

    def push(self, frame: Frame) -> None:
        if frame.place > self._after and not self.is_over:
            self._after = frame.place
            self._unread.append(frame.data)
            self._ring()

    @property
    def lags(self) -> bool:
        return len(self._unread) > MOST_UNREAD

    @property
    def has_news(self) -> bool:
        return bool(self._unread) or self.is_over

    def end(self, last_word: bytes = b"") -> None:
        """Say nothing more than this, and close."""
        self._unread = [last_word] if last_word else []
        self.is_over = True
        self._ring()

    def take(self) -> bytes:
        taken, self._unread = b"".join(self._unread), []
        return taken

    async def wait(self, seconds: float) -> None:
        """Return when there is something to take or to end, or when the time is over."""
        if self.has_news:
            return
        loop = asyncio.get_running_loop()
        self._bell = loop.create_future()
        timer = loop.call_later(seconds, self._ring)
        try:
            await self._bell
        finally:
            timer.cancel()
            self._bell = None

    def _ring(self) -> None:
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)


class LiveJobs:
    """The process's one view of the event log."""

    def __init__(
        self, *, per_user: int, per_process: int, on_resync: Callable[[], None] = lambda: None
    ) -> None:
        self._per_user = per_user
        self._per_process = per_process
        self._on_resync = on_resync
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
            self._resync(connection)

    def take_in(
        self, user_id: UUID, frame: Frame, job_id: UUID, version: int, *, is_progress: bool = False
    ) -> None:
        self._last = max(self._last, frame.place)
        ring = self._rings.get(user_id) or self._rings.setdefault(user_id, Ring(self._floor))
        if ring.add(frame, job_id, version, is_progress=is_progress):
            for connection in self._connections.get(user_id, ()):
                connection.push(frame)
                if connection.lags:
                    self._resync(connection)
        if frame.place.ms - self._swept_ms > _SWEPT_EVERY_MS:
            self._sweep(frame.place.ms)

    def lose_track(self) -> None:
        """Something may have been missed: every reader has to look at the record.

        Those who are away too, at the very last place as well: the floor is beyond it.
        """
        self._rings.clear()
        self._floor = self._last = self._last.next
        for connection in self._everyone():
            self._resync(connection)

    def end_all(self) -> None:
        for connection in self._everyone():
            connection.end()

    def open(self, user_id: UUID, last_event_id: str | None) -> tuple[Connection, str]:
        """Return the connection and where it starts; what it has missed is already in it."""
        if self.open_count >= self._per_process:
            raise NoMoreStreams(retry_after=5)
        if len(self._connections.get(user_id, ())) >= self._per_user:
            raise TooManyStreams(retry_after=5)
        start = Place.parse(last_event_id) if last_event_id else self._last
        connection = Connection(start)
        missed = self._missed(user_id, start)
        if missed is None:
            self._on_resync()
            start = self._last
            connection = Connection(start, resync_frame(str(start)))
        for frame in missed or ():
            connection.push(frame)
        self._connections[user_id].add(connection)
        self.open_count += 1
        return connection, str(start)

    def close(self, user_id: UUID, connection: Connection) -> None:
        with suppress(KeyError):
            self._connections[user_id].remove(connection)
            self.open_count -= 1
            if not self._connections[user_id]:
                del self._connections[user_id]

    def _missed(self, user_id: UUID, place: Place) -> Iterable[Frame] | None:
        ring = self._rings.get(user_id)
        if place > self._last:
            return ()  # another process is ahead of this one
        return ring.after(place) if ring else (() if place >= self._floor else None)

    def _resync(self, connection: Connection) -> None:
        self._on_resync()
        connection.end(resync_frame(self.cursor))

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
