"""The browser's one way out: a SOCKS5 door on loopback that resolves, checks and pins addresses.

Chromium asks it for every connection of every page, frame, worker and redirect, by host name; it
never resolves a name itself. What the guard refuses is not connected to, and what was looked up is
what is connected to, so that a second answer of a name server changes nothing.
"""

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from ipaddress import ip_address
from types import TracebackType
from typing import Final, Self

from msaas.browser_worker.guard import Guard, normal_host
from msaas.telemetry import Metrics

Lookup = Callable[[str], Awaitable[Sequence[str]]]

_LOOKUP_SECONDS: Final = 5.0
_CONNECT_SECONDS: Final = 10.0
_GREETING_SECONDS: Final = 10.0
_MOST_ADDRESSES: Final = 3
_REMEMBERED: Final = 1_000
_CHUNK: Final = 64 * 1024
_VERSION: Final = 5
_CONNECT: Final = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4


class Refusal(StrEnum):
    """Why a place was not connected to."""

    BLOCKED = "blocked"  # the guard forbids it
    UNKNOWN_HOST = "unknown_host"  # there is no such name
    UNREACHABLE = "unreachable"  # nobody answers there now


_REPLIES: Final = {Refusal.BLOCKED: 2, Refusal.UNKNOWN_HOST: 4, Refusal.UNREACHABLE: 5}


class Refused(Exception):
    def __init__(self, why: Refusal) -> None:
        super().__init__(why)
        self.why = why


class Egress:
    """An async context manager; `url` is what the browser is given as its proxy."""

    def __init__(self, guard: Guard, metrics: Metrics, lookup: Lookup | None = None) -> None:
        self._guard = guard
        self._lookup = lookup or look_up
        self._refusals: OrderedDict[tuple[str, int], Refusal] = OrderedDict()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._blocked = metrics.counter(
            "jobs_browser_blocked_requests_total",
            "Connections that pages asked for and did not get.",
            ("reason",),
        )

    @property
    def url(self) -> str:
        if self._server is None:
            raise RuntimeError("the door is not open")
        return f"socks5://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def find_refusal(self, host: str, port: int) -> Refusal | None:
        """Tell why that place was refused when it was last asked for."""
        return self._refusals.get((normal_host(host), port))

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._admit, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _admit(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Run inside the task that the server made for a connection, which ends with us."""
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        # A client that hangs up, says nonsense or takes too long gets no other answer than the end.
        with suppress(OSError, EOFError, ValueError, TimeoutError, asyncio.CancelledError):
            await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        async with asyncio.timeout(_GREETING_SECONDS):
            host, port = await _read_request(reader, writer)
        try:
            theirs, ours = await self._connect(host, port)
        except Refused as refused:
            self.note_refusal(host, port, refused.why)
            writer.write(_reply(_REPLIES[refused.why]))
            await writer.drain()
            return
        self._refusals.pop((normal_host(host), port), None)
        try:
            writer.write(_reply(0))
            await _relay((reader, ours), (theirs, writer))
        finally:
            ours.close()

    def note_refusal(self, host: str, port: int, why: Refusal) -> None:
        self._blocked.labels(why.value).inc()
        self._refusals[normal_host(host), port] = why
        if len(self._refusals) > _REMEMBERED:
            self._refusals.popitem(last=False)

    async def _connect(self, host: str, port: int) -> tuple[StreamReader, StreamWriter]:
        addresses = [host] if _is_address(host) else await self._resolve(host)
        if not self._guard.permits(host, port, addresses):
            raise Refused(Refusal.BLOCKED)
        for address in addresses[:_MOST_ADDRESSES]:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CONNECT_SECONDS):
                    return await asyncio.open_connection(address, port)
        raise Refused(Refusal.UNREACHABLE)

    async def _resolve(self, host: str) -> Sequence[str]:
        try:
            async with asyncio.timeout(_LOOKUP_SECONDS):
                return await self._lookup(host)
        except socket.gaierror as error:
            is_lasting = error.errno != socket.EAI_AGAIN
            raise Refused(Refusal.UNKNOWN_HOST if is_lasting else Refusal.UNREACHABLE) from None
        except (TimeoutError, UnicodeError):
            raise Refused(Refusal.UNREACHABLE) from None


async def look_up(host: str) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def _read_request(reader: StreamReader, writer: StreamWriter) -> tuple[str, int]:
    """Greet, and read whereto: RFC 1928 without authentication, CONNECT only."""
    version, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    if version != _VERSION:
        raise ValueError("no SOCKS5")
    writer.write(bytes((_VERSION, 0)))
    version, command, _, kind = await reader.readexactly(4)
    if (version, command) != (_VERSION, _CONNECT):
        raise ValueError("no CONNECT")
    return await _read_host(reader, kind), int.from_bytes(await reader.readexactly(2))


async def _read_host(reader: StreamReader, kind: int) -> str:
    if kind == _NAME:
        [length] = await reader.readexactly(1)
        return (await reader.readexactly(length)).decode("ascii")
    if kind in {_IPV4, _IPV6}:
        return str(ip_address(await reader.readexactly(4 if kind == _IPV4 else 16)))
    raise ValueError("no address")


def _reply(code: int) -> bytes:
    return bytes((_VERSION, code, 0, _IPV4, 0, 0, 0, 0, 0, 0))


async def _relay(*ways: tuple[StreamReader, StreamWriter]) -> None:
    """Carry bytes both ways until either side ends: a browser never closes only its half."""
    carrying = [asyncio.create_task(_carry(reader, writer)) for reader, writer in ways]
    try:
        await asyncio.wait(carrying, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)


async def _carry(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
