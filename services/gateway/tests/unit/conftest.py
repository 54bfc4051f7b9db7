"""Live streams without a network."""

from collections.abc import Callable
from uuid import UUID

import pytest

from msaas.gateway.application.job_event_hub import JobEventHub
from msaas.gateway.application.stream_connection import StreamConnection


class RecordingSink:
    """Records the data of a stream; `write_buffer_size` is what its client has not received."""

    def __init__(self) -> None:
        self.data = b""
        self.write_buffer_size = 0
        self.ends: list[str] = []

    def write(self, data: bytes) -> None:
        self.data += data

    def close(self) -> None:
        self.ends.append("closed")

    def abort(self) -> None:
        self.ends.append("aborted")

    def take(self) -> bytes:
        taken, self.data = self.data, b""
        return taken


StartConnection = Callable[[StreamConnection], RecordingSink]
OpenStream = Callable[..., tuple[RecordingSink, str]]


@pytest.fixture
def start_connection() -> StartConnection:
    """Return a function that starts a connection, as after the head of its response."""

    def start(connection: StreamConnection) -> RecordingSink:
        sink = RecordingSink()
        connection.start(sink, b"")
        return sink

    return start


@pytest.fixture
def open_stream(start_connection: StartConnection) -> OpenStream:
    """Return a function that opens a stream: its sink, and its start position."""

    def open_(
        hub: JobEventHub, user_id: UUID, last: str | None = None
    ) -> tuple[RecordingSink, str]:
        connection, start = hub.open(user_id, last)
        return start_connection(connection), start

    return open_
