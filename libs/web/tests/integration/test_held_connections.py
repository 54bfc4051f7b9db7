"""No client holds a connection without using it, and connections have a cap."""

import asyncio
import socket
from contextlib import suppress

import psutil
import pytest
from libs.web.tests.conftest import LiveServer

from msaas.testing import wait_until
from msaas.web.server import ProblemHttpProtocol

SHORT_TIMEOUT = 0.2
ENDS_WITHIN = 30.0  # far below the 75 s of an idle connection


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    return head + await reader.readexactly(length)


async def ends(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(ENDS_WITHIN):
        try:
            return await reader.read() == b""
        except ConnectionResetError:
            return True


@pytest.mark.parametrize("byte", [b"\n", b"\r\n"])
async def test_a_byte_between_requests_does_not_hold_the_connection(
    live: LiveServer, monkeypatch: pytest.MonkeyPatch, byte: bytes
) -> None:
    reader, writer = await asyncio.open_connection(*live.address)
    writer.write(b"GET /api/v1/cars/1 HTTP/1.1\r\nhost: web\r\n\r\n")
    assert b"200 OK" in await read_answer(reader)
    monkeypatch.setattr(ProblemHttpProtocol, "head_timeout", SHORT_TIMEOUT)
    writer.write(byte)
    assert await ends(reader)
    writer.close()


async def test_a_body_that_never_ends_after_its_answer_does_not_hold_the_connection(
    live: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = await asyncio.open_connection(*live.address)
    writer.write(b"POST /api/v1/raw HTTP/1.1\r\nhost: web\r\ncontent-length: 9999\r\n\r\n")
    assert b"413" in await read_answer(reader)
    monkeypatch.setattr(ProblemHttpProtocol, "head_timeout", SHORT_TIMEOUT)
    writer.write(b"a")
    assert await ends(reader)
    writer.close()


async def test_a_connection_is_kept_after_an_early_answer_and_the_rest_of_its_body(
    live: LiveServer,
) -> None:
    reader, writer = await asyncio.open_connection(*live.address)
    writer.write(b"POST /api/v1/raw HTTP/1.1\r\nhost: web\r\ncontent-length: 3000\r\n\r\n")
    assert b"413" in await read_answer(reader)
    writer.write(b"a" * 3000 + b"GET /api/v1/cars/1 HTTP/1.1\r\nhost: web\r\n\r\n")
    assert b"200 OK" in await read_answer(reader)
    writer.close()


async def test_connections_beyond_the_cap_take_the_place_of_idle_ones(
    live: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProblemHttpProtocol, "head_timeout", 600.0)
    monkeypatch.setattr(ProblemHttpProtocol, "max_connections", 5)
    opened = [await asyncio.open_connection(*live.address) for _ in range(30)]
    endings = [asyncio.create_task(ends(reader)) for reader, _ in opened]
    await wait_until(lambda: sum(ending.done() for ending in endings) >= len(opened) - 5)
    # The attacker holds them all, and another client is served nevertheless.
    answer = await live.client.get("/cars/1")
    assert answer.status_code == 200
    for ending in endings:
        ending.cancel()
    await asyncio.gather(*endings, return_exceptions=True)
    for _, writer in opened:
        writer.close()


async def test_answers_that_are_not_read_do_not_hold_the_connection(
    live: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's socket stays open: only the server's descriptors show that it was closed."""
    monkeypatch.setattr(ProblemHttpProtocol, "read_timeout", SHORT_TIMEOUT)
    client = socket.create_connection(live.address)
    client.settimeout(0)
    request = b"GET /api/v1/large HTTP/1.1\r\nhost: web\r\n\r\n"
    with client:
        await wait_until(lambda: is_held(client))
        with suppress(ConnectionError):  # it may end before all is sent
            await asyncio.get_running_loop().sock_sendall(client, request * 4_000)
        await wait_until(lambda: not is_held(client), timeout=2 * ENDS_WITHIN)


def is_held(client: socket.socket) -> bool:
    """Return whether the server, which is in this process, still has a client's connection."""
    port = client.getsockname()[1]
    connections = psutil.Process().net_connections("tcp")
    return any(each.raddr and each.raddr.port == port for each in connections)
