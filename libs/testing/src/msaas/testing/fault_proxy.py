"""A TCP proxy in front of a real server that injects faults on demand."""

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

_CHUNK = 65_536
_LOOPBACK = "127.0.0.1"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class FaultProxy:
    """Use it as `async with FaultProxy(url) as proxy`, and give `proxy.url` to the client."""

    def __init__(self, target_url: str) -> None:
        self._target = urlsplit(target_url)
        self._passes_requests = self._passes_replies = True
        self._delay = self._seconds_per_byte = 0.0
        self._port = 0
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return self.url_for(self._target.geturl())

    def url_for(self, url: str) -> str:
        """Return `url` with the proxy's address in place of the server's."""
        parts = urlsplit(url)
        credentials, at, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{credentials}{at}{_LOOPBACK}:{self._port}").geturl()

    def delay(self, seconds: float) -> None:
        """Delay each chunk, in both directions."""
        self._delay = seconds

    def limit_rate(self, bytes_per_second: float) -> None:
        """Let each connection carry so much in each direction."""
        self._seconds_per_byte = 1 / bytes_per_second

    async def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        if self._listener:
            self._listener.close()
            self._listener = None
        await self._reset_all()

    def blackhole(self) -> None:
        """Accept, read, and never answer."""
        self._passes_requests = self._passes_replies = False

    def drop_replies(self) -> None:
        """Forward requests and lose the answers: the server acts, the client gets no reply."""
        self._passes_requests, self._passes_replies = True, False

    async def restore(self) -> None:
        """Forward again; connections that have lost bytes are reset."""
        if not self._passes_replies:
            await self._reset_all()
        self._passes_requests = self._passes_replies = True
        self._delay = self._seconds_per_byte = 0.0
        if self._listener is None:
            await self._listen()

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._accept, _LOOPBACK, self._port)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def _reset_all(self) -> None:
        for writer in self._writers:
            connection: socket.socket = writer.get_extra_info("socket")
            with suppress(OSError):  # already closed by the peer
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._connections.add(task)
        self._writers.add(writer)
        try:
            await self._connect(reader, writer)
        except OSError:
            writer.transport.abort()
        finally:
            self._writers.discard(writer)
            self._connections.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = self._target.port or 0
        upstream, to_upstream = await asyncio.open_connection(self._target.hostname, port)
        self._writers.add(to_upstream)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, to_upstream, reply=False))
                both.create_task(self._pump(upstream, writer, reply=True))
        finally:
            self._writers.discard(to_upstream)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, reply: bool
    ) -> None:
        try:
            while data := await source.read(_CHUNK):
                if pause := self._delay + self._seconds_per_byte * len(data):
                    await asyncio.sleep(pause)
                if self._passes_replies if reply else self._passes_requests:
                    sink.write(data)
                    await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.close()
