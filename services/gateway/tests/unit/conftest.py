"""Readers of the live stream without a network."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from msaas.gateway.application.job_event_hub import JobEventHub
from msaas.gateway.application.stream_connection import StreamConnection


class RecordingSink:
    """Keeps what a reader is shown; `write_buffer_size` is what it leaves to us."""

    def __init__(self) -> None:
        self.data = b""
        self.write_buffer_size = 0
        self.ends: list[str] = []

    def write(self, data: bytes) -> None:
        self.data += data

    def close(self) -> None:
        self.ends.append("closed")

    def abort(self) -> None:
        self.ends.append("cut")

    def take(self) -> bytes:
        taken, self.data = self.data, b""
        return taken


@pytest.fixture
def start_connection() -> Callable[[StreamConnection], RecordingSink]:
    """Return a way to begin a connection, as if its head were out."""

    def begin(connection: StreamConnection) -> RecordingSink:
        shown = RecordingSink()
        connection.start(shown, b"")
        return shown

    return begin


@pytest.fixture
def open_stream(start_connection: Any) -> Callable[..., tuple[RecordingSink, str]]:
    """Return a way to open a stream of a hub: what it shows, and where it starts."""

    def open_(
        hub: JobEventHub, user_id: UUID, last: str | None = None
    ) -> tuple[RecordingSink, str]:
        connection, start = hub.open(user_id, last)
        return start_connection(connection), start

    return open_
