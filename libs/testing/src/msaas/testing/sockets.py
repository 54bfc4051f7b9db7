"""Blocks the network in unit tests."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

_BLOCKED_FAMILIES = (socket.AF_INET, socket.AF_INET6)


class SocketBlocked(Exception):
    """A test under `unit/` used the network: it belongs under `integration/`."""


def block_sockets(patch: pytest.MonkeyPatch) -> None:
    """Refuse internet addresses; asyncio's own socket pairs still work."""
    for method in ("connect", "connect_ex", "bind"):
        patch.setattr(socket.socket, method, _refusing(getattr(socket.socket, method)))


def _refusing(original: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in _BLOCKED_FAMILIES:
            raise SocketBlocked(f"{SocketBlocked.__doc__} Address: {address}")
        return original(self, address)

    return guarded
