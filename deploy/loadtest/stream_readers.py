"""Lightweight readers of the event stream: plain connections, thousands at a time."""

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import cast

_JOBS = re.compile(rb'event: job\r?\ndata: \{"id":"([0-9a-f-]{36})"')

OnJob = Callable[[str, float], None]


class Reader(asyncio.Protocol):
    """One stream; reports when it is open and when each job event arrived."""

    def __init__(self, request: bytes, on_job: OnJob) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.received = 0
        self._request = request
        self._on_job = on_job
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        if not self.opened.done():
            self._open(data)
        text = self._rest + data
        end = text.rfind(b"\n\n") + 1 or text.rfind(b"\r\n\r\n") + 1
        self._rest = text[end:]
        for job_id in _JOBS.findall(text[:end]):
            self.received += 1
            self._on_job(job_id.decode(), now)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(exc or EOFError("closed before the response"))
        self.closed.set_result(None)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _open(self, data: bytes) -> None:
        status = data[9:12]
        if status == b"200":
            self.opened.set_result(None)
        else:
            self.opened.set_exception(ConnectionError(f"status {status.decode()}"))


async def open_reader(host: str, port: int, request: bytes, on_job: OnJob) -> Reader:
    loop = asyncio.get_running_loop()
    _, reader = await loop.create_connection(lambda: Reader(request, on_job), host, port)
    await asyncio.wait_for(reader.opened, 30)
    return reader


async def close_all(readers: Iterable[Reader]) -> None:
    for reader in readers:
        reader.close()
        with suppress(Exception):  # a reader that failed to open has reported it
            reader.opened.exception()
    await asyncio.gather(*(reader.closed for reader in readers))


def build_stream_request(host: str, authorization: str, path: str = "/api/v1/jobs/stream") -> bytes:
    head = f"GET {path} HTTP/1.1\r\nhost: {host}\r\naccept: text/event-stream\r\n"
    return f"{head}authorization: {authorization}\r\n\r\n".encode()
