"""Readers of the live stream without a network."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from msaas.gateway.application.live_connection import Connection
from msaas.gateway.application.live_jobs import LiveJobs


class Shown:
    """Keeps what a reader is shown; `unread` is what it leaves to us."""

    def __init__(self) -> None:
        self.data = b""
        self.unread = 0
        self.ends: list[str] = []

    def write(self, data: bytes) -> None:
        self.data += data

    def close(self) -> None:
        self.ends.append("closed")

    def cut(self) -> None:
        self.ends.append("cut")

    def take(self) -> bytes:
        taken, self.data = self.data, b""
        return taken


@pytest.fixture
def show() -> Callable[[Connection], Shown]:
    """Return a way to begin a connection, as if its head were out."""

    def begin(connection: Connection) -> Shown:
        shown = Shown()
        connection.begin(shown, b"")
        return shown

    return begin


@pytest.fixture
def listen(show: Any) -> Callable[..., tuple[Shown, str]]:
    """Return a way to open a stream of a hub: what it shows, and where it starts."""

    def open_(hub: LiveJobs, user_id: UUID, last: str | None = None) -> tuple[Shown, str]:
        connection, start = hub.open(user_id, last)
        return show(connection), start

    return open_
