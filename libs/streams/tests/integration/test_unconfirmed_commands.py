"""Whether a command that failed may have taken effect: it was sent and not answered, or never."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from msaas.embedded import find_free_port
from msaas.streams import BrokerUnavailable, BrokerUnconfirmed, RedisBroker, Write
from msaas.testing import GENEROUS_TIMEOUT

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def find_error(answer: Answer | None) -> BrokerUnavailable:
    """Return the error of a commit at a server that answers so; without one nothing listens."""
    port = find_free_port()
    broker = RedisBroker(f"redis://127.0.0.1:{port}", command_timeout=GENEROUS_TIMEOUT)
    try:
        server = await asyncio.start_server(answer, "127.0.0.1", port) if answer else None
        with pytest.raises(BrokerUnavailable) as failure:
            await broker.commit([Write("stream", {b"a": b"b"}, None)])
        if server:
            server.close()
    finally:
        await broker.close()
    return failure.value


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the handshake, and close the connection when the transaction has arrived."""
    received = b""
    while b"EXEC" not in received:
        if not (chunk := await reader.read(1_000)):
            break
        received += chunk
        if b"MULTI" not in chunk:
            writer.write(b"+OK\r\n" * max(1, chunk.upper().count(b"CLIENT")))
    writer.close()


async def load_data(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Refuse every command as a server does that is loading its data."""
    while chunk := await reader.read(1_000):
        writer.write(b"-LOADING Redis is loading the dataset in memory\r\n" * chunk.count(b"*"))
    writer.close()


async def test_a_command_that_was_sent_and_not_answered_may_have_taken_effect() -> None:
    assert type(await find_error(hang_up)) is BrokerUnconfirmed


@pytest.mark.parametrize("answer", [None, load_data])
async def test_a_command_that_was_refused_or_never_sent_has_not(answer: Answer | None) -> None:
    assert type(await find_error(answer)) is BrokerUnavailable
