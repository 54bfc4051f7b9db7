"""The connection of a long-lived response: once hijacked, it needs no task."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

from msaas.web.asgi import Scope

EXTENSION: Final = "connection.hijacked"
# Linux only; macOS has a longer timeout of its own.
_USER_TIMEOUT: Final[int | None] = getattr(socket, "TCP_USER_TIMEOUT", None)


class HijackedConnection:
    """A connection of the HTTP server, which ASGI does not expose."""

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
        """The number of bytes that the kernel has not accepted yet."""
        return self._transport.get_write_buffer_size()

    def hijack(
        self,
        on_disconnect: Callable[[], None],
        *,
        send_buffer_bytes: int,
        user_timeout_seconds: float,
    ) -> None:
        """Take the connection over after the head of a chunked response has been sent.

        The application may return: the response lasts until `close`, `abort` or a disconnect of
        the client, and each calls `on_disconnect`.
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
        """End the response; buffered data is still sent."""
        self._transport.write(b"0\r\n\r\n")
        self._transport.close()

    def abort(self) -> None:
        """Close at once, without waiting for a client that does not read."""
        self._transport.abort()

    def connection_lost(self) -> None:
        """Call `on_disconnect`; the server calls this when the connection is closed."""
        on_disconnect, self._on_disconnect = self._on_disconnect, None
        if on_disconnect is not None:
            on_disconnect()


def get_hijacked_connection(scope: Scope) -> HijackedConnection:
    """Raise KeyError under a server other than `HttpServer`."""
    return scope["extensions"][EXTENSION]
