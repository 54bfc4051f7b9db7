"""Passes events to live streams: one replay buffer per user, any number of connections."""

import math
import random
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from uuid import UUID

from msaas.contracts import resync_frame, retry_frame
from msaas.gateway.application.errors import StreamCapacityReached, UserStreamLimitReached
from msaas.gateway.application.job_row_streams import JobRowReader, RowStreamConnection
from msaas.gateway.application.stream_connection import (
    HEARTBEAT_AFTER_SECONDS,
    EndReason,
    RunStreamConnection,
    StreamConnection,
)
from msaas.gateway.domain.replay_buffer import RETENTION_MS, Frame, ReplayBuffer, StreamPosition

# Disconnected clients reconnect no faster than a process can accept them.
_RECONNECTS_PER_SECOND = 200
_RETRY_RANGE_MS = (1_000, 4_000)
_SWEEP_INTERVAL_MS = 60_000


class JobEventHub:
    """The streams of one process; it sees every event of the log."""

    def __init__(
        self,
        *,
        per_user: int,
        per_process: int,
        on_resync: Callable[[], None] = lambda: None,
        on_end: Callable[[EndReason], None] = lambda _: None,
        row_reader: JobRowReader | None = None,
    ) -> None:
        self._row_reader = row_reader
        self._per_user = per_user
        self._per_process = per_process
        self._on_resync = on_resync
        self._on_end = on_end
        self._buffers: dict[UUID, ReplayBuffer] = {}
        self._connections: defaultdict[UUID, set[StreamConnection]] = defaultdict(set)
        self._last_sweep_ms = 0
        self._floor = self._last = StreamPosition(0, 0)
        self.has_started = False
        self.open_count = 0

    @property
    def cursor(self) -> str:
        """The last position that this process has seen; take it before reading the database."""
        return str(self._last)

    def start_at(self, position: str) -> None:
        """Start at the end of the log; streams that opened before have to resync."""
        self._floor = self._last = StreamPosition.parse(position)
        self.has_started = True
        for connection in self._list_connections():
            self._resync(connection, EndReason.RESET)

    def publish(
        self, user_id: UUID, frame: Frame, job_id: UUID, version: int, *, is_progress: bool = False
    ) -> None:
        frame = frame._replace(job_id=job_id, version=version)
        if self._reach(user_id, frame).add(frame, job_id, version, is_progress=is_progress):
            self._push(user_id, frame)
        self._sweep(frame.position.ms)

    def append(self, user_id: UUID, frame: Frame) -> None:
        """Publish a frame without a version: its readers know what it replaces."""
        self._reach(user_id, frame).append(frame)
        self._push(user_id, frame)
        self._sweep(frame.position.ms)

    def _reach(self, user_id: UUID, frame: Frame) -> ReplayBuffer:
        """Return the user's buffer, once the hub is at the position of the frame."""
        self._last = max(self._last, frame.position)
        return self._buffers.get(user_id) or self._buffers.setdefault(
            user_id, ReplayBuffer(self._floor)
        )

    def _push(self, user_id: UUID, frame: Frame) -> None:
        for connection in self._connections.get(user_id, ()):
            connection.push(frame)
            if connection.is_lagging:
                self._resync(connection, EndReason.LAGGED)

    def reset(self) -> None:
        """Make every client resync, disconnected ones too: events may have been missed.

        The floor is beyond the last position, so that no client can resume from it.
        """
        self._buffers.clear()
        self._floor = self._last = self._last.next
        for connection in self._list_connections():
            self._resync(connection, EndReason.RESET)

    def end_all(self) -> None:
        for connection in self._list_connections():
            connection.end(EndReason.DRAINED, self._retry_hint())

    @property
    def connected_users(self) -> Collection[UUID]:
        return list(self._connections)

    def end_account(self, user_id: UUID) -> None:
        """End the streams of an account that is closed."""
        for connection in self._connections.get(user_id, ()):
            connection.end(EndReason.ACCOUNT_CLOSED)

    def tick(self, now: float) -> None:
        """Send heartbeats and end expired or stalled connections; call it once a second."""
        for connection in self._list_connections():
            connection.tick(now)

    def retry_ms(self) -> int:
        """Return when to reconnect: a random time, later the more clients there are."""
        earliest, latest = _RETRY_RANGE_MS
        latest = max(latest, earliest + self.open_count * 1000 // _RECONNECTS_PER_SECOND)
        return random.randint(earliest, latest)  # noqa: S311  # spreading, not secrecy

    def open(
        self,
        user_id: UUID,
        last_event_id: str | None,
        *,
        ends_at: float = math.inf,
        wants_rows: bool = False,
        run_id: UUID | None = None,
    ) -> tuple[StreamConnection, str]:
        """Return the connection and its start position; missed frames are already in it.

        The stream of a run shows the frames of that run, without a position all that are kept.
        """
        if self.open_count >= self._per_process:
            raise StreamCapacityReached(retry_after=math.ceil(self.retry_ms() / 1000))
        if len(self._connections.get(user_id, ())) >= self._per_user:
            raise UserStreamLimitReached(retry_after=5)
        start = StreamPosition.parse(last_event_id) if last_event_id else self._last
        if run_id is not None and not last_event_id and (buffer := self._buffers.get(user_id)):
            start = buffer.floor
        missed = self._find_missed(user_id, start)
        initial_data = b""
        if missed is None:
            self._on_resync()
            start = self._last
            initial_data = resync_frame(str(start))
        # A random offset spreads the heartbeats of clients that connected together.
        idle_seconds = random.randrange(HEARTBEAT_AFTER_SECONDS)  # noqa: S311  # spreading, not secrecy
        create = partial(StreamConnection)
        if wants_rows and self._row_reader:
            create = partial(RowStreamConnection, user_id, self._row_reader)
        elif run_id is not None:
            create = partial(RunStreamConnection, run_id)
        connection = create(start, initial_data, ends_at=ends_at, idle_seconds=idle_seconds)
        for frame in missed or ():
            connection.push(frame)
        self._connections[user_id].add(connection)
        self.open_count += 1
        return connection, str(start)

    def close(self, user_id: UUID, connection: StreamConnection) -> None:
        with suppress(KeyError):
            self._connections[user_id].remove(connection)
            self.open_count -= 1
            connection.close()
            self._on_end(connection.end_reason or EndReason.CLIENT_LEFT)
            if not self._connections[user_id]:
                del self._connections[user_id]

    def _find_missed(self, user_id: UUID, position: StreamPosition) -> Iterable[Frame] | None:
        buffer = self._buffers.get(user_id)
        if position > self._last:
            return ()  # another process is ahead of this one
        return buffer.after(position) if buffer else (() if position >= self._floor else None)

    def _resync(self, connection: StreamConnection, reason: EndReason) -> None:
        self._on_resync()
        connection.end(reason, self._retry_hint() + resync_frame(self.cursor))

    def _retry_hint(self) -> bytes:
        return retry_frame(self.retry_ms())

    def _list_connections(self) -> list[StreamConnection]:
        return [
            connection for connections in self._connections.values() for connection in connections
        ]

    def _sweep(self, now_ms: int) -> None:
        """Drop the buffers of users without an event within the retention time, once a minute."""
        if now_ms - self._last_sweep_ms <= _SWEEP_INTERVAL_MS:
            return
        self._last_sweep_ms = now_ms
        oldest_ms = now_ms - RETENTION_MS
        self._floor = max(self._floor, StreamPosition(oldest_ms, 0))
        idle = [user for user, buffer in self._buffers.items() if buffer.is_idle_since(oldest_ms)]
        for user_id in idle:
            del self._buffers[user_id]


def delay_seconds(position: StreamPosition) -> float:
    """Return the age of an entry; the clocks of Redis and this process may differ a little."""
    return max(0.0, time.time() - position.ms / 1000)
