"""Streams of whole rows: a row is read after its event, so that it is as new as the event."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple
from uuid import UUID

from msaas.contracts import row_frame
from msaas.gateway.application.stream_connection import EndReason, StreamConnection
from msaas.gateway.domain.replay_buffer import MAX_FRAMES, Frame, StreamPosition

# Few rows at a time, since the connection holds what the client has not received yet.
_ROWS_PER_READ: Final = 50
_UNREAD_BYTES: Final = 16 * 1024
# Changes of this time are read together.
_PAUSE_SECONDS: Final = 0.05
_READS_PER_PROCESS: Final = 2


class EncodedRow(NamedTuple):
    id: UUID
    version: int
    data: bytes


LoadRows = Callable[[UUID, Sequence[UUID]], Awaitable[Sequence[EncodedRow]]]
ReportFailure = Callable[[Exception], None]


class JobRowReader:
    """Reads rows as their user; a row that cannot be read is left out."""

    def __init__(
        self,
        load: LoadRows,
        on_failure: ReportFailure = lambda _: None,
        *,
        pause_seconds: float = _PAUSE_SECONDS,
    ) -> None:
        self.pause_seconds = pause_seconds
        self._load = load
        self._on_failure = on_failure
        self._slots = asyncio.Semaphore(_READS_PER_PROCESS)

    async def read(self, user_id: UUID, job_ids: Sequence[UUID]) -> Mapping[UUID, EncodedRow]:
        async with self._slots:
            try:
                return {row.id: row for row in await self._load(user_id, job_ids)}
            except Exception as error:  # noqa: BLE001  # the stream continues without rows
                self._on_failure(error)
                return {}


class RowStreamConnection(StreamConnection):
    """Sends rows in place of the frames of jobs, in their order; without a row, the frames."""

    __slots__ = ("_pending", "_pending_count", "_reader", "_received", "_sending", "_user_id")

    def __init__(
        self,
        user_id: UUID,
        reader: JobRowReader,
        after: StreamPosition,
        initial_data: bytes = b"",
        *,
        ends_at: float = math.inf,
        idle_seconds: int = 0,
    ) -> None:
        super().__init__(after, initial_data, ends_at=ends_at, idle_seconds=idle_seconds)
        self._user_id = user_id
        self._reader = reader
        self._received = after
        self._pending: dict[UUID | None, list[Frame]] = {}
        self._pending_count = 0
        self._sending: asyncio.Task[None] | None = None

    @property
    def is_lagging(self) -> bool:
        """Sending waits for the client, so that what it has not received is bounded."""
        return self._pending_count > MAX_FRAMES and not self.has_ended

    def push(self, frame: Frame) -> None:
        if frame.position <= self._received or self.has_ended:
            return
        self._received = frame.position
        # A job moves to the end: its row is sent at the position of its last frame.
        self._pending[frame.job_id] = [*self._pending.pop(frame.job_id, ()), frame]
        self._pending_count += 1
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_pending())

    def end(self, reason: EndReason, final_data: bytes = b"") -> None:
        super().end(reason, final_data)
        self.close()

    def close(self) -> None:
        self._pending.clear()
        if self._sending is not None:
            self._sending.cancel()

    async def _send_pending(self) -> None:
        try:
            while self._pending:
                await asyncio.sleep(self._reader.pause_seconds)
                if self._sink is None or self._sink.write_buffer_size <= _UNREAD_BYTES:
                    await self._send_some()
        finally:
            self._sending = None

    async def _send_some(self) -> None:
        taken = list(islice(self._pending.items(), _ROWS_PER_READ))
        for job_id, frames in taken:
            del self._pending[job_id]
            self._pending_count -= len(frames)
        ids = [job_id for job_id, _ in taken if job_id is not None]
        rows = await self._reader.read(self._user_id, ids)
        for job_id, frames in taken:
            super().push(_merge(frames, rows.get(job_id) if job_id else None))


def _merge(frames: Sequence[Frame], row: EncodedRow | None) -> Frame:
    """Return the row, or all of the frames if it was not read or is older than they are.

    Both are at the position of the last frame: a client that resumes before it gets it again.
    """
    last = frames[-1]
    if row is None or row.version < last.version:
        return last._replace(data=b"".join(frame.data for frame in frames))
    return last._replace(data=row_frame(str(last.position), row.data))
