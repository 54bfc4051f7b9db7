"""One open stream: its frames, its heartbeats and its end."""

import math
from enum import StrEnum
from uuid import UUID

from msaas.contracts import HEARTBEAT
from msaas.gateway.application.ports import Sink
from msaas.gateway.domain.replay_buffer import Frame, StreamPosition

MAX_UNREAD_BYTES = 64 * 1024
# In calls of `tick`, one per second: connections have no timers of their own.
HEARTBEAT_AFTER_SECONDS = 15
STALL_TIMEOUT_SECONDS = 20


class EndReason(StrEnum):
    CLIENT_LEFT = "left"
    TOKEN_EXPIRED = "token_ended"  # noqa: S105  # not a password
    KEY_REVOKED = "key_ended"
    LAGGED = "lagged"
    STALLED = "stalled"
    RESET = "lost_track"
    ACCOUNT_CLOSED = "account_shut"
    DRAINED = "drained"


class StreamConnection:
    """Buffers frames until the response has started, then writes them to the sink."""

    __slots__ = (
        "_after",
        "_buffered",
        "_ends_at",
        "_idle_seconds",
        "_sink",
        "_stalled_seconds",
        "end_reason",
    )

    def __init__(
        self,
        after: StreamPosition,
        initial_data: bytes = b"",
        *,
        ends_at: float = math.inf,
        idle_seconds: int = 0,
    ) -> None:
        self._after = after
        self._buffered: list[bytes] = [initial_data] if initial_data else []
        self._sink: Sink | None = None
        self._ends_at = ends_at
        self._idle_seconds = idle_seconds
        self._stalled_seconds = 0
        self.end_reason: EndReason | None = None

    @property
    def has_ended(self) -> bool:
        return self.end_reason is not None

    @property
    def is_lagging(self) -> bool:
        write_buffer_size = 0 if self._sink is None else self._sink.write_buffer_size
        return write_buffer_size > MAX_UNREAD_BYTES and not self.has_ended

    def start(self, sink: Sink, hello: bytes) -> None:
        self._sink = sink
        sink.write(b"".join((hello, *self._buffered)))
        self._buffered = []
        if self.has_ended:
            sink.close()

    def push(self, frame: Frame) -> None:
        if frame.position > self._after and not self.has_ended:
            self._after = frame.position
            self._idle_seconds = 0
            self._send(frame.data)

    def end(self, reason: EndReason, final_data: bytes = b"") -> None:
        """Send `final_data` and close; the first reason is kept."""
        if self.has_ended:
            return
        self.end_reason = reason
        if final_data:
            self._send(final_data)
        if self._sink is not None:
            self._sink.close()

    def close(self) -> None:
        """Forget what was not sent: the client has left."""

    def tick(self, now: float) -> None:
        """Send a heartbeat when idle, end an expired token, abort a stalled client."""
        if self._sink is None:
            return
        if now >= self._ends_at:
            self.end(EndReason.TOKEN_EXPIRED)
        self._idle_seconds += 1
        if self._idle_seconds >= HEARTBEAT_AFTER_SECONDS and not self.has_ended:
            self._idle_seconds = 0
            self._send(HEARTBEAT)
        self._stalled_seconds = self._stalled_seconds + 1 if self._sink.write_buffer_size else 0
        if self._stalled_seconds >= STALL_TIMEOUT_SECONDS:
            self.end_reason = self.end_reason or EndReason.STALLED
            self._sink.abort()

    def _send(self, data: bytes) -> None:
        if self._sink is None:
            self._buffered.append(data)
        else:
            self._sink.write(data)


class RunStreamConnection(StreamConnection):
    """Sends the frames of one agent run; its user may have others."""

    __slots__ = ("_run_id",)

    def __init__(
        self,
        run_id: UUID,
        after: StreamPosition,
        initial_data: bytes = b"",
        *,
        ends_at: float = math.inf,
        idle_seconds: int = 0,
    ) -> None:
        super().__init__(after, initial_data, ends_at=ends_at, idle_seconds=idle_seconds)
        self._run_id = run_id

    def push(self, frame: Frame) -> None:
        if frame.job_id == self._run_id:
            super().push(frame)
