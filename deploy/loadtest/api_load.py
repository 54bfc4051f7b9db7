"""Load at a fixed rate over persistent connections.

Latency is measured from the time a request was due, so that a slow server cannot hide its delays.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """One request; `route` is its row in the table."""

    route: str
    method: str
    path: str
    body: bytes = b""
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class LoadResponse:
    status: int
    body: bytes


class HttpConnection:
    """A minimal HTTP/1.1 connection, so that the client costs little CPU."""

    def __init__(self, host: str, port: int, authorization: str) -> None:
        self._address = (host, port)
        self._head = f"HTTP/1.1\r\nhost: {host}:{port}\r\nauthorization: {authorization}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: LoadRequest) -> LoadResponse:
        reader, writer = self._streams or await self._open()
        body = ""
        if request.body:
            body = f"content-type: application/json\r\ncontent-length: {len(request.body)}\r\n"
        if request.idempotency_key:
            body += f"idempotency-key: {request.idempotency_key}\r\n"
        writer.write(
            f"{request.method} /api/v1{request.path} {self._head}{body}\r\n".encode() + request.body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        fields = head.lower().split(b"\r\n")
        length = next((int(f[15:]) for f in fields if f.startswith(b"content-length:")), 0)
        return LoadResponse(int(head[9:12]), await reader.readexactly(length))

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = await asyncio.open_connection(*self._address)
        return self._streams

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
            self._streams = None


@dataclass
class LoadStats:
    """Latencies and statuses of each route."""

    seconds: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    statuses: dict[str, dict[int, int]] = field(default_factory=dict[str, dict[int, int]])
    broken_connections: int = 0

    def add(self, route: str, status: int, seconds: float) -> None:
        self.seconds.setdefault(route, []).append(seconds)
        counted = self.statuses.setdefault(route, {})
        counted[status] = counted.get(status, 0) + 1

    @property
    def requests(self) -> int:
        return sum(map(len, self.seconds.values())) + self.broken_connections

    def errors(self, route: str, min_status: int) -> int:
        return sum(n for status, n in self.statuses.get(route, {}).items() if status >= min_status)


@dataclass(frozen=True)
class LoadWorker:
    """A connection, the function that chooses its next request, and one that reads responses."""

    connection: HttpConnection
    next_request: Callable[[], LoadRequest]
    on_response: Callable[[LoadRequest, LoadResponse], None]


async def run_load(workers: Sequence[LoadWorker], per_minute: int, seconds: float) -> LoadStats:
    """Send at a fixed rate, each request over a free connection."""
    stats, free = LoadStats(), asyncio.Queue[LoadWorker]()
    for worker in random.sample(workers, len(workers)):
        free.put_nowait(worker)
    step, began = 60 / per_minute, time.perf_counter()

    async def send(due: float) -> None:
        worker = await free.get()
        request = worker.next_request()
        try:
            response = await worker.connection.send(request)
        except (OSError, EOFError, ValueError):
            stats.broken_connections += 1
            worker.connection.close()
        else:
            stats.add(request.route, response.status, time.perf_counter() - due)
            worker.on_response(request, response)
        finally:
            free.put_nowait(worker)

    async with asyncio.TaskGroup() as group:
        for number in range(round(seconds / step)):
            due = began + number * step
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(send(due))
    return stats
