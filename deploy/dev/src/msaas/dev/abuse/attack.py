"""An attack: what it sends to a part of the fleet, and what each case may cost there."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Final
from urllib.parse import urlsplit

from msaas.local.api_client import ApiClient

ANSWER_SECONDS: Final = 60.0
"""Far longer than any answer takes, so that a busy machine is not taken for a fault."""

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Bound:
    """The processor time of one case on average, and the memory of all cases of a run."""

    cpu_seconds: float
    megabytes: float


@dataclass
class Target:
    """The fleet as an attacker sees it; `held` are the connections that are still open."""

    api: ApiClient
    gateway_url: str
    gateway_pid: int
    site_urls: Sequence[str]
    held: list[tuple[str, Stream]] = field(default_factory=list[tuple[str, Stream]])

    @property
    def token(self) -> str:
        """The attacker's own valid credentials."""
        return self.api.authorization

    async def connect(self) -> Stream:
        address = urlsplit(self.gateway_url)
        return await asyncio.open_connection(address.hostname, address.port)


Send = Callable[[Target, Random, int], Awaitable[Sequence[str]]]
"""Send so many cases, and return the problems that were found."""


@dataclass(frozen=True, slots=True)
class Attack:
    """`part` is the part of the fleet that is measured; `weight` is the share of cases it gets."""

    name: str
    part: str
    bound: Bound
    send: Send
    weight: float = 1.0


async def read_status(reader: asyncio.StreamReader) -> int | None:
    """Return the status of an answer; None if the server closed the connection without one."""
    with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(ANSWER_SECONDS):
            line = await reader.readuntil(b"\r\n")
        return int(line.split()[1])
    return None


async def send_pieces(writer: asyncio.StreamWriter, pieces: Iterable[bytes]) -> None:
    """Send until the server closes the connection; an empty piece ends the sending half of it."""
    with suppress(ConnectionError):
        for piece in pieces:
            if piece:
                writer.write(piece)
                await writer.drain()
            else:
                writer.write_eof()


async def exchange(target: Target, pieces: Iterable[bytes]) -> int | None:
    """Send on a connection of its own, and stop when it is answered."""
    reader, writer = await target.connect()
    sending = asyncio.create_task(send_pieces(writer, pieces))
    try:
        return await read_status(reader)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()
