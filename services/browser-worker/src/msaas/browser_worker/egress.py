"""The browser's one way out: SOCKS5 doors on loopback that resolve, check and pin addresses.

Each job has a door of its own, open for as long as its page is. Chromium asks there for every
connection of every page, frame, worker and redirect, by host name; it never resolves a name itself.
What the guard refuses is not connected to, and what was looked up is what is connected to, so that
a second answer of a name server changes nothing.
"""

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final, Self

from msaas.browser_worker.guard import Guard, Refusal
from msaas.browser_worker.limits import Limits
from msaas.browser_worker.lookups import Lookups
from msaas.browser_worker.places import find_address
from msaas.browser_worker.socks import (
    HOST_UNREACHABLE,
    NOT_ALLOWED,
    REFUSED,
    SUCCEEDED,
    read_request,
    reply,
)
from msaas.browser_worker.traffic import Direction, PlaceTraffic, Traffic
from msaas.telemetry import Metrics

Lookup = Callable[[str], Awaitable[Sequence[str]]]
_Count = Callable[[int], None]

_LOOKUP_SECONDS: Final = 5.0
_LOOKUPS_AT_ONCE: Final = 8
_CONNECT_SECONDS: Final = 10.0
_GREETING_SECONDS: Final = 10.0
_MOST_ADDRESSES: Final = 3
_CHUNK: Final = 64 * 1024
_REPLIES: Final = {Refusal.UNKNOWN_HOST: HOST_UNREACHABLE, Refusal.UNREACHABLE: REFUSED}


class Refused(Exception):
    def __init__(self, why: Refusal) -> None:
        super().__init__(why)
        self.why = why


class Egress:
    """Opens doors, all behind one guard; an async context manager where a door is kept ahead."""

    def __init__(
        self,
        guard: Guard,
        metrics: Metrics,
        lookup: Lookup | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._guard = guard
        self._lookup = lookup or Lookups().find
        self._ahead: Door | None = None
        self._telling = asyncio.Lock()
        self._blocked = metrics.counter(
            "jobs_browser_blocked_requests_total",
            "Connections that pages asked for and did not get.",
            ("reason",),
        )
        self._bytes = metrics.counter(
            "jobs_browser_bytes_total", "Bytes between pages and the world.", ("direction",)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._ahead is not None:
            await self._ahead.close()

    @asynccontextmanager
    async def open_door(self, *, ahead: bool = False) -> AsyncGenerator["Door"]:
        """Open a way out for one job; when it closes, so does whatever still goes through it.

        With `ahead` it is the one that was last told of, if nobody has had it.
        """
        door, self._ahead = (self._ahead, None) if ahead else (None, self._ahead)
        door = door or await Door(self).open()
        try:
            yield door
        finally:
            await door.close()

    async def tell_ahead(self) -> str:
        """Tell where the door of a later job will be; it is nobody's way out until then."""
        async with self._telling:
            if self._ahead is None:
                self._ahead = await Door(self).open()
            return self._ahead.url

    async def connect(
        self, host: str, port: int, asking: asyncio.Semaphore
    ) -> tuple[StreamReader, StreamWriter]:
        """Connect to the very address that was checked."""
        is_address = find_address(host) is not None
        addresses = [host] if is_address else await self._resolve(host, asking)
        if why := self._guard.find_refusal(host, port, addresses):
            raise Refused(why)
        for address in addresses[:_MOST_ADDRESSES]:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CONNECT_SECONDS):
                    return await asyncio.open_connection(address, port)
        raise Refused(Refusal.UNREACHABLE)

    def count_refusal(self, why: Refusal) -> None:
        self._blocked.labels(why.value).inc()

    def count_bytes(self, direction: Direction, size: int) -> None:
        self._bytes.labels(direction).inc(size)

    async def _resolve(self, host: str, asking: asyncio.Semaphore) -> Sequence[str]:
        try:
            async with asyncio.timeout(_LOOKUP_SECONDS), asking:
                return await self._lookup(host)
        except socket.gaierror as error:
            is_lasting = error.errno != socket.EAI_AGAIN
            raise Refused(Refusal.UNKNOWN_HOST if is_lasting else Refusal.UNREACHABLE) from None
        except (TimeoutError, UnicodeError):
            raise Refused(Refusal.UNREACHABLE) from None


class Door:
    """One job's way out: `traffic` went through it, `on_spent` hears that it was too much."""

    def __init__(self, egress: Egress) -> None:
        self.url = ""
        self.limits = egress.limits
        self.traffic = Traffic(egress.limits)
        self.on_spent: Callable[[], None] = lambda: None
        self._egress = egress
        self._serving: set[asyncio.Task[None]] = set()
        # One page's many names leave room for its neighbours'.
        self._asking = asyncio.Semaphore(_LOOKUPS_AT_ONCE)
        self._server: asyncio.Server | None = None

    async def open(self) -> Self:
        self._server = await asyncio.start_server(self.admit, "127.0.0.1", 0)
        self.url = f"socks5://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def admit(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Run inside the task that the server made for a connection, which ends with us."""
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        # A client that hangs up, says nonsense or takes too long gets no other answer than the end.
        with suppress(OSError, EOFError, ValueError, TimeoutError, asyncio.CancelledError):
            await self._serve(reader, writer)
        writer.close()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._hang_up()
            await asyncio.gather(*self._serving, return_exceptions=True)
            await self._server.wait_closed()

    def _hang_up(self) -> None:
        for task in self._serving:
            task.cancel()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        async with asyncio.timeout(_GREETING_SECONDS):
            host, port = await read_request(reader, writer)
        try:
            theirs, ours = await self._connect(host, port)
        except Refused as refused:
            self.traffic.note_refusal(host, port, refused.why)
            self._egress.count_refusal(refused.why)
            writer.write(reply(_REPLIES.get(refused.why, NOT_ALLOWED)))
            await writer.drain()
            return
        place = self.traffic.note_connection(host, port)
        try:
            writer.write(reply(SUCCEEDED))
            await _relay(
                _carry(reader, ours, partial(self._count, place, "sent")),
                _carry(theirs, writer, partial(self._count, place, "received")),
            )
        finally:
            ours.close()

    async def _connect(self, host: str, port: int) -> tuple[StreamReader, StreamWriter]:
        if self.traffic.is_spent or len(self._serving) > self.limits.connections:
            raise Refused(Refusal.SPENT)
        return await self._egress.connect(host, port, self._asking)

    def _count(self, place: PlaceTraffic, direction: Direction, size: int) -> None:
        self.traffic.count(place, direction, size)
        self._egress.count_bytes(direction, size)
        if self.traffic.is_spent:
            self.on_spent()
            self._hang_up()


async def _relay(*ways: Awaitable[None]) -> None:
    """Carry bytes both ways until either side ends: a browser never closes only its half."""
    carrying = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(carrying, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)


async def _carry(reader: StreamReader, writer: StreamWriter, count: _Count) -> None:
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            count(len(chunk))
            writer.write(chunk)
            await writer.drain()
