"""The client at the far end of a long answer: how much it may leave unread, and for how long."""

import asyncio
import socket
from typing import Any, Final

from msaas.web.asgi import Scope

EXTENSION: Final = "msaas.peer"
# Of the kernel; macOS has none, and ends such a connection by its own, longer patience.
_USER_TIMEOUT: Final[int | None] = getattr(socket, "TCP_USER_TIMEOUT", None)


class Peer:
    """What our server tells an application about one connection, beside the words of ASGI."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def bound(self, *, unread_bytes: int, silent_seconds: float) -> None:
        """Buffer no more than this, in the process and in the kernel, and notice a dead network."""
        self._transport.set_write_buffer_limits(high=unread_bytes)
        connection: Any = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, unread_bytes)
        if _USER_TIMEOUT is not None:
            milliseconds = round(silent_seconds * 1000)
            connection.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, milliseconds)

    def cut(self) -> None:
        """Close at once: an orderly end would wait for the client to read what it has not."""
        self._transport.abort()


def find_peer(scope: Scope) -> Peer | None:
    """Return None under a server that is not ours, which bounds its connections as it likes."""
    return scope.get("extensions", {}).get(EXTENSION)
