"""The client at the far end of an answer that lasts: once taken over, it needs no task."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

from msaas.web.asgi import Scope

EXTENSION: Final = "connection.hijacked"
# Of the kernel; macOS has none, and ends such a connection by its own, longer patience.
_USER_TIMEOUT: Final[int | None] = getattr(socket, "TCP_USER_TIMEOUT", None)


class HijackedConnection:
    """One connection of our server, beside the words of ASGI."""

    __slots__ = ("_finish_cycle", "_on_disconnect", "_transport")

    def __init__(self, transport: asyncio.Transport, finish_cycle: Callable[[], None]) -> None:
        self._transport = transport
        self._finish_cycle = finish_cycle
        self._on_disconnect: Callable[[], None] | None = None

    @property
    def is_hijacked(self) -> bool:
        return self._on_disconnect is not None

    @property
    def write_buffer_size(self) -> int:
        """Count the bytes that the kernel has not taken from us yet."""
        return self._transport.get_write_buffer_size()

    def hijack(
        self,
        on_disconnect: Callable[[], None],
        *,
        send_buffer_bytes: int,
        user_timeout_seconds: float,
    ) -> None:
        """Have the connection to oneself once the head of a chunked answer is out.

        The application may return: its answer lasts until `close`, `cut` or the client's leaving,
        and `on_lost` hears of each. The kernel buffers little, and notices a dead network.
        """
        self._finish_cycle()
        self._on_disconnect = on_disconnect
        if self._transport.is_closing():
            self.connection_lost()
            return
        connection: Any = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
        if _USER_TIMEOUT is not None:
            milliseconds = round(user_timeout_seconds * 1000)
            connection.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, milliseconds)

    def write(self, data: bytes) -> None:
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def close(self) -> None:
        """End the answer in good order: what is unread still goes out."""
        self._transport.write(b"0\r\n\r\n")
        self._transport.close()

    def abort(self) -> None:
        """Close at once: a good order would wait for a client that does not read."""
        self._transport.abort()

    def connection_lost(self) -> None:
        """For the server: the connection is gone."""
        on_disconnect, self._on_disconnect = self._on_disconnect, None
        if on_disconnect is not None:
            on_disconnect()


def get_hijacked_connection(scope: Scope) -> HijackedConnection:
    """Raise under a server that is not ours."""
    return scope["extensions"][EXTENSION]
