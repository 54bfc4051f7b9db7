"""A unit test that uses the network fails with a message that names the right folder."""

import asyncio
import socket

import pytest

from msaas.testing import SocketBlocked


@pytest.mark.parametrize("method", ["connect", "connect_ex", "bind"])
@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, ("127.0.0.1", 9)), (socket.AF_INET6, ("::1", 9))],
)
def test_internet_addresses_are_refused(
    method: str, family: socket.AddressFamily, address: tuple[str, int]
) -> None:
    with socket.socket(family) as blocked, pytest.raises(SocketBlocked, match="integration/"):
        getattr(blocked, method)(address)


async def test_asyncio_itself_still_works() -> None:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    theirs.sendall(b"hello")
    assert await reader.readexactly(5) == b"hello"
    writer.close()
    await writer.wait_closed()
    theirs.close()


async def test_asyncio_connections_are_refused_too() -> None:
    with pytest.raises(SocketBlocked):
        await asyncio.open_connection("127.0.0.1", 9)
